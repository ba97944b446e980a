"""Codec codes: the array, its hash, and the numbers that tie frames to time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 24_000
FRAME_SAMPLES = 1_920
FRAMES_PER_SECOND = SAMPLE_RATE / FRAME_SAMPLES
NUM_CODEBOOKS = 16

CodeArray = NDArray[np.int64]


def code_bytes(codes: CodeArray) -> bytes:
    """Codes (T, Q) int64 -> their little-endian int64 bytes in C order, the only bytes that are ever hashed."""
    return np.ascontiguousarray(codes).astype("<i8", copy=False).tobytes()


def codes_sha256(codes: CodeArray) -> str:
    """sha256 in hex over ``code_bytes`` and nothing else."""
    return hashlib.sha256(code_bytes(codes)).hexdigest()


def packet_chain_sha256(codes: CodeArray, packet_tokens: int) -> list[str]:
    """One sha256 a packet of ``packet_tokens`` frames, each over (previous digest bytes + the packet's code bytes).

    The first has no predecessor, so it equals ``codes_sha256(codes[:packet_tokens])``. A chained hash that differs
    says that this packet or an earlier one differs, so the first unequal hash names the first differing packet.
    """
    chain: list[str] = []
    previous = b""
    every, frame_bytes = code_bytes(codes), 8 * codes.shape[1]
    for start in range(0, len(codes), packet_tokens):
        digest = hashlib.sha256(previous + every[start * frame_bytes : (start + packet_tokens) * frame_bytes])
        previous = digest.digest()
        chain.append(digest.hexdigest())
    return chain


@dataclass(frozen=True)
class CodeRange:
    """Where codes leave [0, codebook_size): count, and the first offender as (frame, codebook, id)."""

    min_code: int | None
    max_code: int | None
    out_of_range_count: int
    first: tuple[int, int, int] | None


def code_range(codes: CodeArray, codebook_size: int) -> CodeRange:
    """Range of codes (T, Q) against ``codebook_size``; min and max are None for no frames."""
    if codes.size == 0:
        return CodeRange(None, None, 0, None)
    smallest, largest = int(codes.min()), int(codes.max())
    if smallest >= 0 and largest < codebook_size:
        return CodeRange(smallest, largest, 0, None)
    bad = np.argwhere((codes < 0) | (codes >= codebook_size))
    first = None
    if len(bad):
        frame, book = (int(i) for i in bad[0])
        first = (frame, book, int(codes[frame, book]))
    return CodeRange(smallest, largest, len(bad), first)


def clamp_notes(clamped: int) -> tuple[str, ...]:
    """The notes of a run about ids that ``determinism.clamp_codes`` moved; none if it moved none."""
    return (f"determinism.clamp_codes: {clamped} ids were moved into range",) if clamped else ()
