"""Match two lists of times one to one, and the share of matches that chance alone would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ttsctl.audio.lpc import Float

TOLERANCE_S = 0.002
# Times come from sample positions rounded to a microsecond.
ROUNDING_S = 1e-6


@dataclass(frozen=True)
class TimeMatching:
    """pairs: (index in A, index in B), sorted. count_a and count_b: how many times each list has."""

    pairs: tuple[tuple[int, int], ...]
    count_a: int
    count_b: int

    @property
    def a_to_b(self) -> float | None:
        """The share of A's times that have a match; None if A has no times."""
        return len(self.pairs) / self.count_a if self.count_a else None

    @property
    def b_to_a(self) -> float | None:
        """The share of B's times that have a match; None if B has no times."""
        return len(self.pairs) / self.count_b if self.count_b else None


def match_times(
    a_s: Sequence[float] | Float, b_s: Sequence[float] | Float, tolerance_s: float = TOLERANCE_S
) -> TimeMatching:
    """Match as many pairs within the tolerance as possible, each time once, with the smallest sum of distances.

    a_s, b_s: times in s, in any order; NaN matches nothing.
    """
    from scipy.optimize import linear_sum_assignment

    a, b = np.asarray(a_s, dtype=np.float64), np.asarray(b_s, dtype=np.float64)
    reach = tolerance_s + ROUNDING_S
    pairs: list[tuple[int, int]] = []
    for in_a, in_b in _clusters(a, b, reach):
        distance = np.abs(a[in_a][:, None] - b[in_b][None, :])
        # A pair within reach is worth more than any sum of distances, so that as many pairs as possible are made.
        cost = np.where(distance <= reach, distance - 2 * reach * len(in_a) * len(in_b), 0.0)
        rows, columns = linear_sum_assignment(cost)
        pairs += [(int(in_a[i]), int(in_b[j])) for i, j in zip(rows, columns, strict=True) if distance[i, j] <= reach]
    return TimeMatching(tuple(sorted(pairs)), len(a), len(b))


def _clusters(a: Float, b: Float, reach: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Split all times where a gap is over ``reach`` -> (indices into a, indices into b) of each part that has both."""
    times = np.concatenate([a, b])
    known = np.flatnonzero(~np.isnan(times))
    order = known[np.argsort(times[known], kind="stable")]
    cuts = np.flatnonzero(np.diff(times[order]) > reach) + 1
    groups = np.split(order, cuts)
    split = [(group[group < len(a)], group[group >= len(a)] - len(a)) for group in groups]
    return [(in_a, in_b) for in_a, in_b in split if len(in_a) and len(in_b)]


def chance_rate(others: int, duration_s: float, tolerance_s: float = TOLERANCE_S) -> float | None:
    """The expected share of times within the tolerance of one of ``others`` times, if those were random.

    That is 1 - exp(-2 tolerance density) for a Poisson process of ``others`` points over ``duration_s``; one-to-one
    matching gives a little less. None if the duration is 0.
    """
    if duration_s <= 0:
        return None
    return 1 - math.exp(-2 * tolerance_s * others / duration_s)
