"""Two runs' fingerprints side by side: which rows are the same value, and the first value that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.trace import Prints

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class UnmatchedValue:
    """A value that only one run computed: its place, and whether that run is A."""

    point: str
    stage: int
    frame: int
    codebook: int
    is_input: bool
    in_a: bool


@dataclass(frozen=True)
class PrintAlignment:
    """The values of two runs, matched.

    ``compared`` values are in both runs, and ``unequal`` of them differ. ``first`` is A's row of the first unequal
    value: that of the lowest frame and, within the frame, the first that A computed. ``call`` counts the outputs that
    the same point gave at the same place before that value. ``unmatched`` is the first value that only one run
    computed; None if there is none before ``first``.
    """

    compared: int
    unequal: int
    first: int | None
    call: int | None
    unmatched: UnmatchedValue | None


def align_prints(a: Prints, b: Prints) -> PrintAlignment:
    """Match values by stage, frame, codebook, point, input or output, and the count of earlier values like that."""
    b = _renumbered(b, a.points)
    rows_a, rows_b = _matched(a, b)
    unequal = np.flatnonzero(a.value[rows_a] != b.value[rows_b])
    first = None if not len(unequal) else unequal[np.argmin(a.frame[rows_a[unequal]])]
    row_a = None if first is None else int(rows_a[first])
    row_b = None if first is None else int(rows_b[first])
    return PrintAlignment(
        compared=len(rows_a),
        unequal=len(unequal),
        first=row_a,
        call=None if row_a is None else _earlier_calls(a, row_a),
        unmatched=_first_unmatched(a, rows_a, row_a, in_a=True) or _first_unmatched(b, rows_b, row_b, in_a=False),
    )


def select_rows(prints: Prints, rows: NDArray[np.bool_]) -> Prints:
    """The rows where ``rows`` (N,) is True, in their order."""
    return Prints(
        points=prints.points,
        point=prints.point[rows],
        stage=prints.stage[rows],
        frame=prints.frame[rows],
        codebook=prints.codebook[rows],
        is_input=prints.is_input[rows],
        value=prints.value[rows],
    )


def select_frames(prints: Prints, frames: int) -> Prints:
    """The rows of the first ``frames`` frames."""
    if not len(prints.frame) or prints.frame.max() < frames:
        return prints
    return select_rows(prints, prints.frame < frames)


def select_points(prints: Prints, names: Sequence[str]) -> Prints:
    """The rows of the points with these names."""
    wanted = np.array([name in set(names) for name in prints.points], bool)
    return prints if wanted.all() else select_rows(prints, wanted[prints.point])


def _renumbered(prints: Prints, points: tuple[str, ...]) -> Prints:
    """The same rows, with points numbered as in ``points``; other names get the numbers after those."""
    if prints.points == points:
        return prints
    numbers = {name: number for number, name in enumerate(points)}
    for name in prints.points:
        numbers.setdefault(name, len(numbers))
    table = np.array([numbers[name] for name in prints.points], np.int32)
    return replace(prints, points=tuple(numbers), point=table[prints.point] if len(table) else prints.point)


def _key_columns(prints: Prints) -> tuple[NDArray[Any], ...]:
    """The columns that say which value a row is."""
    return prints.stage, prints.frame, prints.codebook, prints.point, prints.is_input


def _matched(a: Prints, b: Prints) -> tuple[Rows, Rows]:
    """The rows of A and of B that are the same value, ascending in A. Equal key columns, the usual case, are quick."""
    same = _common_start(a, b)
    if same == len(a.value) == len(b.value):
        rows = np.arange(same)
        return rows, rows
    # Where frames only ascend, a frame before the first change of layout has no rows after that change.
    start = _frame_start(a, same) if _ascending(a) and _ascending(b) else 0
    rows_a, rows_b = _matched_by_key(*(select_rows(p, np.arange(len(p.value)) >= start) for p in (a, b)))
    head = np.arange(start)
    return np.concatenate([head, rows_a + start]), np.concatenate([head, rows_b + start])


def _common_start(a: Prints, b: Prints) -> int:
    """How many rows, from the first on, are the same values in the same order."""
    rows = min(len(a.value), len(b.value))
    for left, right in zip(_key_columns(a), _key_columns(b), strict=True):
        unequal = left[:rows] != right[:rows]
        if unequal.any():
            rows = int(unequal.argmax())
    return rows


def _ascending(prints: Prints) -> bool:
    return bool((np.diff(prints.frame) >= 0).all())


def _frame_start(prints: Prints, row: int) -> int:
    """The first row of the frame of the last row before ``row``: calls are counted within a frame."""
    return int(np.searchsorted(prints.frame, prints.frame[row - 1])) if row else 0


def _matched_by_key(a: Prints, b: Prints) -> tuple[Rows, Rows]:
    """As ``_matched``, for rows in any order."""
    columns_a, columns_b = _key_columns(a), _key_columns(b)
    sizes = [max(_size(left), _size(right)) for left, right in zip(columns_a, columns_b, strict=True)]
    (keys_a, order_a), (keys_b, order_b) = _sorted_keys(columns_a, sizes), _sorted_keys(columns_b, sizes)
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


def _sorted_keys(columns: Sequence[NDArray[Any]], sizes: Sequence[int]) -> tuple[Rows, Rows]:
    """One integer key for each row, sorted, and the row of each key; equal keys keep the order of execution."""
    key = np.zeros(len(columns[0]), np.int64)
    for column, size in zip(columns, sizes, strict=True):
        key = key * size + column
    order = np.argsort(key, kind="stable")
    return key[order], order


def _running_count(keys: Rows) -> Rows:
    """For sorted keys: how many equal keys come before each."""
    rows = np.arange(len(keys))
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def _earlier_calls(prints: Prints, row: int) -> int:
    """How many outputs of the same point at the same place come before ``row``."""
    same = ~prints.is_input[:row]
    for column in (prints.stage, prints.frame, prints.codebook, prints.point):
        same &= column[:row] == column[row]
    return int(same.sum())


def _first_unmatched(prints: Prints, matched: Rows, first: int | None, in_a: bool) -> UnmatchedValue | None:
    """The first value without a counterpart, if it comes before row ``first``. Without ``first``, the first output.

    An input is printed unless it is the very tensor that was printed before, so an unmatched input alone is no
    difference of the runs.
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
    return UnmatchedValue(prints.points[prints.point[row]], *place, bool(prints.is_input[row]), in_a)
