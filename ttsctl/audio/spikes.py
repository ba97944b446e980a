"""The largest steps between neighbouring samples, found while a sound is read block by block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SPIKE_PERCENTILE = 99.9
SPIKES = 20
SPIKES_APART_S = 0.050


class LargestSteps:
    """The spikes (``times_s``) of a sound of ``count`` samples, whose blocks are added in order.

    Only the largest steps are kept, one in a thousand, but enough that SPIKES of them lie SPIKES_APART_S apart however
    close together they are. Of several channels, the largest step counts.
    """

    def __init__(self, count: int, sample_rate: int) -> None:
        self._steps, self._rate = count - 1, sample_rate
        rank = (self._steps - 1) * SPIKE_PERCENTILE / 100
        self._rank, self._between = math.floor(rank), rank - math.floor(rank)
        self._keep = max(self._steps - self._rank + 1, math.ceil(2 * SPIKES * SPIKES_APART_S * sample_rate) + 1)
        self._at, self._size = np.zeros(0, np.int64), np.zeros(0)
        self._last: NDArray[np.float64] | None = None
        self._seen = 0

    def add(self, block: NDArray[np.floating]) -> None:
        """The next samples, (n, channels)."""
        samples = np.asarray(block, dtype=np.float64)
        joined = samples if self._last is None else np.concatenate([self._last, samples])
        size = np.abs(np.diff(joined, axis=0)).max(axis=1)
        at = np.arange(self._seen, self._seen + len(size))
        # What is smaller than everything kept cannot come in; of equal steps the earlier ones stay.
        if len(self._size) >= self._keep:
            large = size > self._size[-1]
            at, size = at[large], size[large]
        at, size = np.concatenate([self._at, at]), np.concatenate([self._size, size])
        largest = np.argsort(-size, kind="stable")[: self._keep]
        self._at, self._size = at[largest], size[largest]
        self._last, self._seen = samples[-1:], self._seen + len(samples) - (self._last is None)

    def times_s(self) -> list[float]:
        """Times in s, sorted, of the SPIKES largest steps among those at or over their 99.9th percentile.

        The time is that of the sample before the step. The largest come first, the earlier of equal ones, and each
        excludes others closer than SPIKES_APART_S. Fewer than two samples and constant audio have none.
        """
        if self._steps < 1:
            return []
        below, above = (float(self._size[max(self._steps - 1 - rank, 0)]) for rank in (self._rank, self._rank + 1))
        bound = below + (above - below) * self._between
        taken: list[int] = []
        for n in self._at[(self._size >= bound) & (self._size > 0)].tolist():
            if all(abs(n - other) >= SPIKES_APART_S * self._rate for other in taken):
                taken.append(n)
                if len(taken) == SPIKES:
                    break
        return [n / self._rate for n in sorted(taken)]
