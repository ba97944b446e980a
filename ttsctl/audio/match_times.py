"""Match two lists of times one to one, and say how many matches chance alone would give."""

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
class Matching:
    """pairs: (index in A, index in B), sorted; rates: matched share of A and of B, None for an empty list."""

    pairs: tuple[tuple[int, int], ...]
    count_a: int
    count_b: int

    @property
    def a_to_b(self) -> float | None:
        return len(self.pairs) / self.count_a if self.count_a else None

    @property
    def b_to_a(self) -> float | None:
        return len(self.pairs) / self.count_b if self.count_b else None


def match_times(
    a_s: Sequence[float] | Float, b_s: Sequence[float] | Float, tolerance_s: float = TOLERANCE_S
) -> Matching:
    """Most pairs within the tolerance, each time used once; of those, the least distance in all.

    a_s, b_s: times in s, in any order; NaN matches nothing.
    """
    from scipy.optimize import linear_sum_assignment

    a, b = np.asarray(a_s, dtype=np.float64), np.asarray(b_s, dtype=np.float64)
    reach = tolerance_s + ROUNDING_S
    pairs: list[tuple[int, int]] = []
    for in_a, in_b in _clusters(a, b, reach):
        distance = np.abs(a[in_a][:, None] - b[in_b][None, :])
        # A pair within reach is worth more than any sum of distances, so that as many as possible are made.
        cost = np.where(distance <= reach, distance - 2 * reach * len(in_a) * len(in_b), 0.0)
        rows, columns = linear_sum_assignment(cost)
        pairs += [(int(in_a[i]), int(in_b[j])) for i, j in zip(rows, columns, strict=True) if distance[i, j] <= reach]
    return Matching(tuple(sorted(pairs)), len(a), len(b))


def _clusters(a: Float, b: Float, reach: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Indices into a and b of runs of times with no gap over ``reach``, those that hold some of both."""
    times = np.concatenate([a, b])
    known = np.flatnonzero(~np.isnan(times))
    order = known[np.argsort(times[known], kind="stable")]
    cuts = np.flatnonzero(np.diff(times[order]) > reach) + 1
    groups = np.split(order, cuts)
    split = [(group[group < len(a)], group[group >= len(a)] - len(a)) for group in groups]
    return [(in_a, in_b) for in_a, in_b in split if len(in_a) and len(in_b)]


def chance_rate(others: int, duration_s: float, tolerance_s: float = TOLERANCE_S) -> float | None:
    """Expected share of times with one of ``others`` within the tolerance if those fell anywhere in ``duration_s``.

    1 - exp(-2 tolerance density): the chance that a Poisson process is not empty over the 2 tolerances. One-to-one
    matching gives a little less. None without a duration.
    """
    if duration_s <= 0:
        return None
    return 1 - math.exp(-2 * tolerance_s * others / duration_s)
