"""The first frame in which two code arrays differ, and how many ids and frames differ."""

from __future__ import annotations

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
