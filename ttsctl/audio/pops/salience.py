"""How much each sample stands out: its prediction error against the largest errors nearby.

The error is compared with the *largest other peak* within ``REACH_S``, leaving out ``CORE_S`` around the sample
itself, not with a median: glottal pulses and plosive bursts come in trains and so never stand out from each other,
while a discontinuity stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float32, Prediction

Index = NDArray[np.int64]

CORE_S = 0.002
REACH_S = 0.020
# Errors below -60 dBFS are nothing to hear: they neither stand out nor hide anything.
AUDIBLE = 1e-3


# Side peaks are looked up on a grid of half a millisecond.
BLOCK_S = 0.0005


@dataclass(frozen=True)
class Surprise:
    """Per sample (N,) float32, amplitudes at full scale 1.0.

    forward: root of the forward error energy of samples n and n + 1; both: geometric mean of that and of the backward
    error of n - 1 and n - 2 (a join is unpredictable from either side); ratio: the larger of the two, each over the
    largest of its kind nearby. both_side (2, blocks): the largest ``both`` before and after each block of ``block``
    samples.
    """

    forward: Float32
    both: Float32
    both_side: Float32
    ratio: Float32
    block: int


def side_peaks(values: Float32, block: int, core: int, reach: int) -> Float32:
    """values (N,) >= 0 -> (2, blocks): the largest ``core`` to ``reach`` blocks before each block, and after it."""
    from scipy.ndimage import maximum_filter1d

    peaks = np.pad(values, (0, -len(values) % block)).reshape(-1, block).max(axis=1)
    half = (reach - core) // 2
    offset = core + half + 1
    padded = maximum_filter1d(np.pad(peaks, offset), 2 * half + 1, mode="constant")
    return np.stack([padded[: len(peaks)], padded[2 * offset : 2 * offset + len(peaks)]])


def surprise(prediction: Prediction, sample_rate: int) -> Surprise:
    """Prediction errors -> how far each sample stands out from its surroundings."""
    block = round(BLOCK_S * sample_rate)
    core, reach = round(CORE_S / BLOCK_S), round(REACH_S / BLOCK_S)
    forward = _root_of_two(prediction.forward)
    both = np.zeros_like(forward)
    both[2:] = np.sqrt(forward[2:] * _root_of_two(prediction.backward)[:-2])
    forward_side, both_side = (side_peaks(values, block, core, reach) for values in (forward, both))
    ratio = np.maximum(_over(forward, forward_side, block), _over(both, both_side, block))
    return Surprise(forward, both, both_side, ratio, block)


def _root_of_two(error: Float32) -> Float32:
    """Root of the energy of each sample and the next."""
    energy = np.square(error)
    energy[:-1] += energy[1:]
    return np.sqrt(energy, out=energy)


def _over(values: Float32, side: Float32, block: int) -> Float32:
    """values (N,) over the larger side peak of their block."""
    factor = 1 / np.maximum(side.max(axis=0), np.float32(AUDIBLE))
    return values * np.repeat(factor, block)[: len(values)]


def local_maxima(ratio: NDArray[np.floating], at_least: float, apart: int) -> Index:
    """Samples whose ratio is ``at_least`` and the largest within ``apart`` samples on either side."""
    high = np.flatnonzero(ratio >= at_least)
    # Neighbours first: they rule out most, and the wide look is dear.
    for reach in (1, apart):
        around = np.clip(high[:, None] + np.arange(-reach, reach + 1), 0, len(ratio) - 1)
        high = high[ratio[high] >= ratio[around].max(axis=1)]
    return high
