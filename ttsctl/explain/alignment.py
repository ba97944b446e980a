"""Two runs' fingerprints, value by value: which rows are the same value, and the first that is not equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.trace import Prints

Rows = NDArray[np.int64]
_LAYOUT = ("stage", "frame", "codebook", "point", "is_input")


@dataclass(frozen=True)
class Stray:
    """The first value that only one run computed: where, and whether it was A."""

    point: str
    stage: int
    frame: int
    codebook: int
    is_input: bool
    in_a: bool


@dataclass(frozen=True)
class Alignment:
    """What two runs computed, side by side.

    ``compared`` values both have, ``unequal`` of them. ``first`` is A's row of the first unequal one, by frame and,
    within a frame, in A's order of execution; ``call`` is how many outputs its point gave at that place before.
    ``strayed`` is the first value that only one run computed, if that comes before ``first``.
    """

    compared: int
    unequal: int
    only_a: int
    only_b: int
    first: int | None
    call: int | None
    strayed: Stray | None


def align(a: Prints, b: Prints) -> Alignment:
    """Compare by key: stage, frame, codebook, point, input or output, and the how manieth of these."""
    b = _renumbered(b, a.points)
    rows_a, rows_b = _matched(a, b)
    unequal = a.value[rows_a] != b.value[rows_b]
    found = np.flatnonzero(unequal)
    first = None if not len(found) else found[np.argmin(a.frame[rows_a[found]])]
    row_a = None if first is None else int(rows_a[first])
    row_b = None if first is None else int(rows_b[first])
    return Alignment(
        compared=len(rows_a),
        unequal=len(found),
        only_a=len(a.value) - len(rows_a),
        only_b=len(b.value) - len(rows_b),
        first=row_a,
        call=None if row_a is None else _call(a, row_a),
        strayed=_strayed(a, rows_a, row_a, in_a=True) or _strayed(b, rows_b, row_b, in_a=False),
    )


def within(prints: Prints, frames: int) -> Prints:
    """The rows of the frames before ``frames``."""
    return prints if not len(prints.frame) or prints.frame.max() < frames else kept(prints, prints.frame < frames)


def kept(prints: Prints, rows: NDArray[np.bool_]) -> Prints:
    """The rows where ``rows`` (N,) is True, in their order."""
    columns = {name: getattr(prints, name)[rows] for name in (*_LAYOUT, "value")}
    return replace(prints, **columns)


def named(prints: Prints, names: Sequence[str]) -> Prints:
    """The rows of the points with these names."""
    wanted = np.array([name in set(names) for name in prints.points], bool)
    return prints if wanted.all() else kept(prints, wanted[prints.point])


def _renumbered(prints: Prints, points: tuple[str, ...]) -> Prints:
    """The same rows, their points numbered as in ``points``; names that are not there come after those."""
    if prints.points == points:
        return prints
    numbers = {name: number for number, name in enumerate(points)}
    for name in prints.points:
        numbers.setdefault(name, len(numbers))
    table = np.array([numbers[name] for name in prints.points], np.int32)
    return replace(prints, points=tuple(numbers), point=table[prints.point] if len(table) else prints.point)


def _matched(a: Prints, b: Prints) -> tuple[Rows, Rows]:
    """Rows of A and of B that are the same value, ascending in A. Equal layouts, the usual case, need no keys."""
    same = _common_layout(a, b)
    if same == len(a.value) == len(b.value):
        rows = np.arange(same)
        return rows, rows
    # Frames that only go up mean that nothing after the first change of layout belongs to a frame before it.
    start = _frame_start(a, same) if _ascending(a) and _ascending(b) else 0
    rows_a, rows_b = _matched_by_key(*(kept(p, np.arange(len(p.value)) >= start) for p in (a, b)))
    head = np.arange(start)
    return np.concatenate([head, rows_a + start]), np.concatenate([head, rows_b + start])


def _common_layout(a: Prints, b: Prints) -> int:
    """How many rows from the start on are the same values in the same order."""
    rows = min(len(a.value), len(b.value))
    for name in _LAYOUT:
        unequal = getattr(a, name)[:rows] != getattr(b, name)[:rows]
        if unequal.any():
            rows = int(unequal.argmax())
    return rows


def _ascending(prints: Prints) -> bool:
    return bool((np.diff(prints.frame) >= 0).all())


def _frame_start(prints: Prints, row: int) -> int:
    """The first row of the frame that holds the last row before ``row``: calls are counted within a frame."""
    return int(np.searchsorted(prints.frame, prints.frame[row - 1])) if row else 0


def _matched_by_key(a: Prints, b: Prints) -> tuple[Rows, Rows]:
    sizes = [max(_size(getattr(a, name)), _size(getattr(b, name))) for name in _LAYOUT]
    (keys_a, order_a), (keys_b, order_b) = _sorted_keys(a, sizes), _sorted_keys(b, sizes)
    calls_a, calls_b = _running_count(keys_a), _running_count(keys_b)
    calls = max(_size(calls_a), _size(calls_b))
    full_a, full_b = keys_a * calls + calls_a, keys_b * calls + calls_b
    at = np.minimum(np.searchsorted(full_b, full_a), max(0, len(full_b) - 1))
    hit = full_b[at] == full_a if len(full_b) else np.zeros(len(full_a), bool)
    rows_a, rows_b = order_a[hit], order_b[at[hit]] if len(full_b) else order_b
    back = np.argsort(rows_a, kind="stable")
    return rows_a[back], rows_b[back]


def _size(column: NDArray[np.generic]) -> int:
    return int(column.max()) + 1 if len(column) else 1


def _sorted_keys(prints: Prints, sizes: Sequence[int]) -> tuple[Rows, Rows]:
    """One integer a row, sorted, and the row that each is of; equal keys stay in order of execution."""
    key = np.zeros(len(prints.value), np.int64)
    for name, size in zip(_LAYOUT, sizes, strict=True):
        key = key * size + getattr(prints, name)
    order = np.argsort(key, kind="stable")
    return key[order], order


def _running_count(keys: Rows) -> Rows:
    """For sorted keys: how many equal ones stand before each."""
    rows = np.arange(len(keys))
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def _call(prints: Prints, row: int) -> int:
    """How many outputs of the same point at the same place come before ``row``."""
    same = ~prints.is_input[:row]
    for name in ("stage", "frame", "codebook", "point"):
        column = getattr(prints, name)
        same &= column[:row] == column[row]
    return int(same.sum())


def _strayed(prints: Prints, matched: Rows, first: int | None, in_a: bool) -> Stray | None:
    """The first value without a counterpart, if it comes before row ``first``; where there is none, the first output.

    Whether an input is printed depends on whether it is the very tensor printed before, which is no difference.
    """
    alone = np.ones(len(prints.value), bool)
    alone[matched] = False
    if first is None:
        alone &= ~prints.is_input
    rows = np.flatnonzero(alone)
    if not len(rows):
        return None
    row = int(rows[np.argmin(prints.frame[rows])])
    if first is not None and (prints.frame[row], row) > (prints.frame[first], first):
        return None
    place = (int(prints.stage[row]), int(prints.frame[row]), int(prints.codebook[row]))
    return Stray(prints.points[prints.point[row]], *place, bool(prints.is_input[row]), in_a)
