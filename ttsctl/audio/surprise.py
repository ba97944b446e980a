"""How much each sample stands out: its prediction error against the largest errors nearby.

The error is compared with the *largest other peak* within ``REACH_S``, leaving out ``CORE_S`` around the sample
itself, not with a median: glottal pulses and plosive bursts come in trains and so never stand out from each other,
while a discontinuity stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float, Prediction

Index = NDArray[np.int64]

CORE_S = 0.002
REACH_S = 0.020
# Errors below -60 dBFS are nothing to hear: they neither stand out nor hide anything.
AUDIBLE = 1e-3


@dataclass(frozen=True)
class Surprise:
    """Per sample (N,) float64, amplitudes at full scale 1.0.

    forward: root of the forward error energy of samples n and n + 1; both: geometric mean of that and of the backward
    error of n - 1 and n - 2 (a join is unpredictable from either side); ratio: the larger of the two, each over the
    largest of its kind nearby. ``forward_side`` and ``both_side`` are those largest peaks, (2, N): before, after.
    """

    forward: Float
    both: Float
    forward_side: Float
    both_side: Float
    ratio: Float


def side_peaks(values: Float, sample_rate: int) -> Float:
    """values (N,) >= 0 -> (2, N): largest value CORE_S to REACH_S before each sample, and after it."""
    from scipy.ndimage import maximum_filter1d

    core, reach = round(CORE_S * sample_rate), round(REACH_S * sample_rate)
    half = (reach - core) // 2
    offset = core + half
    padded = np.pad(maximum_filter1d(values, 2 * half + 1, mode="constant"), offset)
    return np.stack([padded[: len(values)], padded[2 * offset : 2 * offset + len(values)]])


def surprise(prediction: Prediction, sample_rate: int) -> Surprise:
    """Prediction errors -> how far each sample stands out from its surroundings."""
    energy = np.pad(prediction.forward**2, (0, 1))
    forward = np.sqrt(energy[:-1] + energy[1:])
    energy = np.pad(prediction.backward**2, (2, 0))
    both = np.sqrt(forward * np.sqrt(energy[:-2] + energy[1:-1]))
    forward_side, both_side = side_peaks(forward, sample_rate), side_peaks(both, sample_rate)
    ratio = np.maximum(
        forward / np.maximum(forward_side.max(axis=0), AUDIBLE), both / np.maximum(both_side.max(axis=0), AUDIBLE)
    )
    return Surprise(forward, both, forward_side, both_side, ratio)


def local_maxima(ratio: Float, at_least: float, apart: int) -> Index:
    """Samples whose ratio is ``at_least`` and the largest within ``apart`` samples on either side."""
    from scipy.ndimage import maximum_filter1d

    return np.flatnonzero((ratio >= at_least) & (ratio >= maximum_filter1d(ratio, 2 * apart + 1, mode="constant")))
