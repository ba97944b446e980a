"""The plain measure of earlier reports: the largest steps between samples. It finds consonants as well as pops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 99.9
TOP = 20
APART_S = 0.050


def spikes(pcm: NDArray[np.floating], sample_rate: int) -> list[float]:
    """Times in s, sorted, of the TOP largest |x[n+1] - x[n]| at or over its 99.9th percentile, 50 ms apart.

    The time is that of sample n. Largest first, each hides those closer than 50 ms. Fewer than two samples, and
    constant audio, give none.
    """
    if len(pcm) < 2:
        return []
    step = np.abs(np.diff(np.asarray(pcm, dtype=np.float64)))
    at = np.flatnonzero((step >= np.percentile(step, PERCENTILE)) & (step > 0))
    taken: list[int] = []
    for n in at[np.argsort(-step[at], kind="stable")].tolist():
        if all(abs(n - other) >= APART_S * sample_rate for other in taken):
            taken.append(n)
            if len(taken) == TOP:
                break
    return [n / sample_rate for n in sorted(taken)]
