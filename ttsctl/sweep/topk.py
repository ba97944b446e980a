"""The draws of two recorded runs: where their two best ids, or the logits of these, first differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ttsctl.core.codes import NUM_CODEBOOKS
from ttsctl.core.trace import Draws
from ttsctl.runs.job import JobResult

NO_DRAWS = "no draws were recorded (record.trace)"


@dataclass(frozen=True)
class TopkDiff:
    """The differences of two runs over their first ``draws`` draws, which are at the same frames and codebooks.

    ids_differ, logits_differ: draws whose two best ids, or whose logits of these, differ. first_ids, first_logits: the
    first such draw in the order of drawing, as (frame, codebook). ids_frames, logits_frames: the first frame with such
    a draw, for each codebook; None if it has none. Once the codes of two runs differ everything after differs, so the
    first places show where it began, and the counts how much came after.
    """

    draws: int
    ids_differ: int
    logits_differ: int
    first_ids: tuple[int, int] | None
    first_logits: tuple[int, int] | None
    ids_frames: tuple[int | None, ...]
    logits_frames: tuple[int | None, ...]

    @property
    def first(self) -> tuple[int, int] | None:
        """Frame and codebook of the first draw that differs in anything."""
        return min((first for first in (self.first_ids, self.first_logits) if first), default=None)


def topk_diff(a: Draws, b: Draws) -> TopkDiff:
    """Compare two runs draw by draw, up to the end of the shorter one."""
    count = min(len(a.frame), len(b.frame))
    ids = (a.best[:count] != b.best[:count]).any(axis=1)
    # Bit patterns: -inf (a masked id) equals itself, and so does a NaN.
    logits = (_bits(a.logits[:count]) != _bits(b.logits[:count])).any(axis=1)
    return TopkDiff(
        draws=count,
        ids_differ=int(ids.sum()),
        logits_differ=int(logits.sum()),
        first_ids=_first(ids, a),
        first_logits=_first(logits, a),
        ids_frames=_by_codebook(ids, a),
        logits_frames=_by_codebook(logits, a),
    )


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)


def _first(differ: np.ndarray, draws: Draws) -> tuple[int, int] | None:
    if not differ.any():
        return None
    row = int(np.argmax(differ))
    return int(draws.frame[row]), int(draws.codebook[row])


def _by_codebook(differ: np.ndarray, draws: Draws) -> tuple[int | None, ...]:
    frames, books = draws.frame[: len(differ)], draws.codebook[: len(differ)]
    found = (frames[differ & (books == book)] for book in range(NUM_CODEBOOKS))
    return tuple(int(f.min()) if len(f) else None for f in found)


@dataclass(frozen=True)
class TopkRow:
    """The recorded runs of a condition and text, each compared with the first of the reference condition.

    ``differing`` of the ``runs`` differ in any draw. ``diff`` is that of the run that differs earliest.
    """

    condition: str
    case: str
    runs: int
    differing: int
    diff: TopkDiff


def topk_rows(results: Sequence[JobResult], reference: str) -> list[TopkRow]:
    """One row for each condition and text of which both the condition and ``reference`` have recorded runs."""
    firsts: dict[str, JobResult] = {}
    groups: dict[tuple[str, str], list[JobResult]] = {}
    for result in results:
        if result.clean and recorded(result):
            if result.condition == reference:
                firsts.setdefault(result.case, result)
            groups.setdefault((result.condition, result.case), []).append(result)
    rows = []
    for (condition, case), group in groups.items():
        diffs = [found for r in group if case in firsts and (found := draws_apart(firsts[case], r)) is not None]
        if diffs:
            differing = sum(d.first is not None for d in diffs)
            rows.append(TopkRow(condition, case, len(diffs), differing, min(diffs, key=_earliest)))
    return rows


def recorded(result: JobResult) -> bool:
    """Whether the run's draws were kept."""
    return result.trace is not None and result.trace.level != "none"


def draws_apart(a: JobResult, b: JobResult) -> TopkDiff | None:
    """The differences of two recorded runs; None if one was not recorded, and for a run and itself."""
    if a is b or a.trace is None or b.trace is None or not (recorded(a) and recorded(b)):
        return None
    return topk_diff(a.trace.draws, b.trace.draws)


def draws_sha256(result: JobResult) -> str | None:
    """Over all draws of a run, their best two ids and the bits of these ids' logits; None if none were recorded."""
    if result.trace is None or not recorded(result):
        return None
    draws = result.trace.draws
    parts = (draws.frame, draws.codebook, draws.best, _bits(draws.logits))
    return sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def _earliest(diff: TopkDiff) -> tuple[bool, tuple[int, int]]:
    """Sorts runs by the place of their first difference; runs without any come last."""
    return diff.first is None, diff.first or (0, 0)
