"""The draws of two runs side by side: the first that differs, in what, and how far the gap of its best ids moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.trace import Draws

What = Literal["logits", "scores", "noise", "policy", "id", "end", "cap_a", "cap_b"]


@dataclass(frozen=True)
class DrawSide:
    """One side of a draw: the id taken, the best two ids by the deciding score, their processed logits, their gap.

    A logit or gap that is not finite (only one id could be drawn) is null.
    """

    id: int
    best: tuple[int, int]
    logits: tuple[float | None, float | None]
    gap: float | None


@dataclass(frozen=True)
class DrawPair:
    """One draw of both runs; a side is null if that run had ended."""

    frame: int
    codebook: int
    a: DrawSide | None
    b: DrawSide | None


@dataclass(frozen=True)
class DrawDifference:
    """The draw at ``row`` of both runs, and ``what`` of it differs.

    "logits": the logits. "noise": the noise of sampling. "scores": one of these two, which one is not known.
    "policy": only one run drew with noise. "id": only the id that was taken. "cap_a", "cap_b": that run was cut before
    the draw. "end", of bare codes: only one run goes on.
    """

    row: int
    frame: int
    codebook: int
    what: What


def first_difference(a: Draws, b: Draws) -> DrawDifference | None:
    """The first draw of which anything differs."""
    rows = min(len(a.id), len(b.id))
    fed = (a.best[:rows] != b.best[:rows]).any(1) | _unequal(a.logits[:rows], b.logits[:rows]).any(1)
    found = np.flatnonzero(fed | _unequal(a.gap[:rows], b.gap[:rows]) | (a.id[:rows] != b.id[:rows]))
    if not len(found):
        return _cut(a, b)
    row = int(found[0])
    return DrawDifference(row, int(a.frame[row]), int(a.codebook[row]), _what(a, b, row))


def first_other_id(a: Draws, b: Draws) -> DrawDifference | None:
    """The first draw that took another id, or that only one run came to."""
    rows = min(len(a.id), len(b.id))
    found = np.flatnonzero(a.id[:rows] != b.id[:rows])
    if not len(found):
        return _cut(a, b)
    row = int(found[0])
    return DrawDifference(row, int(a.frame[row]), int(a.codebook[row]), "id")


def first_other_code(a: CodeArray, b: CodeArray) -> DrawDifference | None:
    """As ``first_other_id``, of bare codes (T, Q) and (U, Q) int64."""
    common = min(len(a), len(b))
    found = np.flatnonzero(a[:common] != b[:common])
    books = a.shape[1]
    if len(found):
        row = int(found[0])
        return DrawDifference(row, row // books, row % books, "id")
    return None if len(a) == len(b) else DrawDifference(common * books, common, 0, "end")


def first_draws(draws: Draws, rows: int) -> Draws:
    """The first ``rows`` draws."""
    return Draws(
        frame=draws.frame[:rows],
        codebook=draws.codebook[:rows],
        id=draws.id[:rows],
        best=draws.best[:rows],
        logits=draws.logits[:rows],
        gap=draws.gap[:rows],
    )


def ids_alone(draws: Draws) -> Draws:
    """The same draws with zeros for the best ids, logits and gaps that led to them."""
    return replace(
        draws,
        best=np.zeros_like(draws.best),
        logits=np.zeros_like(draws.logits),
        gap=np.zeros_like(draws.gap),
    )


def pair_at(a: Draws, b: Draws, frame: int, codebook: int) -> DrawPair | None:
    """Both sides of the draw at a frame and codebook; None if neither run came to it."""
    sides = [_side(draws, frame, codebook) for draws in (a, b)]
    return None if sides == [None, None] else DrawPair(frame, codebook, sides[0], sides[1])


def gap_changes(a: Draws, b: Draws) -> NDArray[np.float64]:
    """How far the gap of each draw moved from A to B (N,), in logits; NaN where a gap is not finite.

    Both must have the same draws in the same order. The gap is how far A's best id stands above its rival. Where B has
    another best id, B's gap counts as negative. Where B has another rival, the change is a lower bound.
    """
    own, other = a.gap.astype(np.float64), b.gap.astype(np.float64)
    other = np.where(a.best[:, 0] == b.best[:, 0], other, -other)
    with np.errstate(invalid="ignore"):
        changes = np.abs(own - other)
    return np.where(np.isfinite(changes), changes, np.nan)


def _what(a: Draws, b: Draws, row: int) -> What:
    """What of a draw differs. The score ranks the best two, so with noise other ids do not prove other logits."""
    left, right = (dict(zip(d.best[row].tolist(), d.logits[row].tolist(), strict=True)) for d in (a, b))
    shared = left.keys() & right.keys()
    if any(left[one] != right[one] for one in shared):
        return "logits"
    same_order = a.best[row].tolist() == b.best[row].tolist()
    if same_order and not _unequal(a.gap[row], b.gap[row]):
        return "id"
    noisy = _noisy(a, row), _noisy(b, row)
    if not any(noisy):
        return "logits"
    if not all(noisy):
        return "policy"
    return "noise" if shared else "scores"


def _noisy(draws: Draws, row: int) -> bool:
    """Whether the gap is another than that of the logits: a greedy draw has no noise."""
    with np.errstate(invalid="ignore"):
        return bool(_unequal(draws.gap[row], draws.logits[row, 0] - draws.logits[row, 1]))


def _cut(a: Draws, b: Draws) -> DrawDifference | None:
    """The first draw that only the longer run has; None if both have equally many."""
    if len(a.id) == len(b.id):
        return None
    row = min(len(a.id), len(b.id))
    longer = a if len(a.id) > row else b
    return DrawDifference(row, int(longer.frame[row]), int(longer.codebook[row]), "cap_b" if longer is a else "cap_a")


def _unequal(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Elementwise; NaN is equal to itself."""
    return np.asarray((a != b) & ~(np.isnan(a) & np.isnan(b)))


def _side(draws: Draws, frame: int, codebook: int) -> DrawSide | None:
    rows = np.flatnonzero((draws.frame == frame) & (draws.codebook == codebook))
    if not len(rows):
        return None
    row = int(rows[0])
    return DrawSide(
        id=int(draws.id[row]),
        best=(int(draws.best[row, 0]), int(draws.best[row, 1])),
        logits=(_finite(draws.logits[row, 0]), _finite(draws.logits[row, 1])),
        gap=_finite(draws.gap[row]),
    )


def _finite(value: np.float32) -> float | None:
    return float(value) if np.isfinite(value) else None
