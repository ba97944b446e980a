"""Where two code arrays part, and how far: from the codes, or from their chained packet hashes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ttsctl.core.codes import FRAMES_PER_SECOND, CodeArray
from ttsctl.core.errors import InputError

DiffKind = Literal["value", "length"]


@dataclass(frozen=True)
class CodeDiff:
    """Two code arrays against each other; ``len_a`` and ``len_b`` are their numbers of frames.

    ``first_diff_frame``: the first frame that differs (``kind`` "value"), or the length of the shorter array if it is
    a prefix of the longer one (``kind`` "length"). ``packet`` and ``time_s`` (at 12.5 frames a second) say where that
    frame is; ``codebook`` is the first codebook that differs in it, None for "length". ``elements_differ`` and
    ``frames_differ`` count within the frames that both arrays have. Equal arrays have counts of 0 and None elsewhere.

    If codes are absent and only packet hashes could be compared, ``first_diff_between`` holds the first and the last
    frame that the first difference may be in, and ``reason`` says what is not known.
    """

    equal: bool
    first_diff_frame: int | None
    kind: DiffKind | None
    packet: int | None
    codebook: int | None
    time_s: float | None
    elements_differ: int | None
    frames_differ: int | None
    len_a: int
    len_b: int
    first_diff_between: tuple[int, int] | None = None
    reason: str | None = None


def diff_codes(a: CodeArray, b: CodeArray, packet_tokens: int) -> CodeDiff:
    """Compare codes a (T, Q) and b (U, Q), int64, in packets of ``packet_tokens`` frames; InputError if Q differs."""
    if a.shape[1] != b.shape[1]:
        raise different_codebooks(a.shape[1], b.shape[1])
    common = min(len(a), len(b))
    unequal = a[:common] != b[:common]
    frames = np.flatnonzero(unequal.any(axis=1))
    if len(frames):
        frame = int(frames[0])
        codebook = int(np.flatnonzero(unequal[frame])[0])
        return CodeDiff(
            equal=False,
            first_diff_frame=frame,
            kind="value",
            packet=frame // packet_tokens,
            codebook=codebook,
            time_s=frame_time_s(frame),
            elements_differ=int(unequal.sum()),
            frames_differ=len(frames),
            len_a=len(a),
            len_b=len(b),
        )
    if len(a) != len(b):
        return prefix_diff(len(a), len(b), packet_tokens)
    return equal_diff(len(a))


def earliest_difference(first: CodeArray, others: Iterable[CodeArray]) -> CodeDiff | None:
    """The difference from ``first`` (T, Q) that comes at the lowest frame; None if all of ``others`` are equal to it.

    Of several at one frame, that of the first of ``others``. InputError as of ``diff_codes``.
    """
    found = [diff for codes in others if not (diff := diff_codes(first, codes, packet_tokens=1)).equal]
    return min(found, key=lambda diff: diff.first_diff_frame or 0, default=None)


def equal_diff(frames: int) -> CodeDiff:
    """The result for two equal arrays of ``frames`` frames."""
    return CodeDiff(True, None, None, None, None, None, 0, 0, frames, frames)


def prefix_diff(len_a: int, len_b: int, packet_tokens: int) -> CodeDiff:
    """The result if one array is a proper prefix of the other: no frame that both have differs."""
    frame = min(len_a, len_b)
    return CodeDiff(False, frame, "length", frame // packet_tokens, None, frame_time_s(frame), 0, 0, len_a, len_b)


def frame_time_s(frame: int) -> float:
    """Where a frame starts, in seconds, at 12.5 frames a second."""
    return round(frame / FRAMES_PER_SECOND, 6)


def different_codebooks(a: int | str, b: int | str) -> InputError:
    """The error for two code arrays with ``a`` and ``b`` codebooks, each a number or a label with a number."""
    return InputError(
        f"codes: expected equal numbers of codebooks, got {a} and {b}", "compare dumps of one model with each other"
    )


ABSENT = "codes are absent on one side: the packet hashes narrow the first difference to frames {} to {}"
EXACT = "codes are absent on one side: codebook and counts are not known"
NO_CHAIN = (
    "codes are absent and packet_tokens differ ({} and {}): not comparable at packet level, "
    "only that the whole sha256 differ is known"
)


def diff_by_packets(
    chain_a: Sequence[str], chain_b: Sequence[str], len_a: int, len_b: int, hashed_tokens: int, packet_tokens: int
) -> CodeDiff:
    """Compare two chains of packet sha256, one hash for every ``hashed_tokens`` frames; the whole sha256 must differ.

    ``len_a`` and ``len_b`` are frames. The first unequal hash names the packet that holds the first difference. If the
    last packet is shorter on one side, it stays open whether a value differs or only the length. ``packet`` of the
    result counts packets of ``packet_tokens`` frames.
    """
    same = _equal_packets(chain_a, chain_b)
    first = same * hashed_tokens
    if first >= min(len_a, len_b):
        return prefix_diff(len_a, len_b, packet_tokens)
    in_a = min(hashed_tokens, len_a - first)
    in_b = min(hashed_tokens, len_b - first)
    # Packets of equal length can only differ in a value; otherwise the shorter may be a prefix of the longer.
    last = first + in_a - 1 if in_a == in_b else first + min(in_a, in_b)
    one_packet = first // packet_tokens == last // packet_tokens
    exact = first == last
    return CodeDiff(
        equal=False,
        first_diff_frame=first if exact else None,
        kind="value" if in_a == in_b else None,
        packet=first // packet_tokens if one_packet else None,
        codebook=None,
        time_s=frame_time_s(first) if exact else None,
        elements_differ=None,
        frames_differ=None,
        len_a=len_a,
        len_b=len_b,
        first_diff_between=(first, last),
        reason=EXACT if exact else ABSENT.format(first, last),
    )


def diff_without_packets(len_a: int, len_b: int, tokens_a: int, tokens_b: int) -> CodeDiff:
    """The result if the whole sha256 differ and the packets have different sizes: nothing more is known."""
    reason = NO_CHAIN.format(tokens_a, tokens_b)
    return CodeDiff(False, None, None, None, None, None, None, None, len_a, len_b, reason=reason)


def _equal_packets(a: Sequence[str], b: Sequence[str]) -> int:
    """How many packets from the first on are equal."""
    for index, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return index
    return min(len(a), len(b))
