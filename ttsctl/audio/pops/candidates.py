"""Where a pop may be: samples that stand out, gap edges and starts of exact repeats."""

from __future__ import annotations

import numpy as np

from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.repeats import exact_repeats, gap_starts
from ttsctl.audio.pops.salience import Index, Surprise, local_maxima

STANDS_OUT = 1.1
APART_S = 0.005
SAME_PLACE_S = 0.001


def candidates(pcm: Float, around: Surprise, sample_rate: int) -> Index:
    """Candidate samples (C,), sorted, of pcm (N,): about ten a second of speech."""
    peaks = local_maxima(around.ratio, STANDS_OUT, round(APART_S * sample_rate))
    runs = np.array([start for start, _ in exact_repeats(pcm)], dtype=np.int64)
    exact = np.union1d(gap_starts(pcm, sample_rate), runs)
    return np.union1d(peaks, exact[~near(exact, peaks, round(SAME_PLACE_S * sample_rate))])


def near(points: Index, others: Index, tolerance: int) -> np.ndarray:
    """For each point (P,): is one of the sorted others (Q,) within ``tolerance`` samples? -> (P,) bool."""
    if len(others) == 0:
        return np.zeros(len(points), dtype=bool)
    after = np.minimum(np.searchsorted(others, points), len(others) - 1)
    before = np.maximum(after - 1, 0)
    distance = np.minimum(np.abs(others[after] - points), np.abs(others[before] - points))
    return distance <= tolerance
