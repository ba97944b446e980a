"""How much each sample stands out: its prediction error against the largest errors nearby.

The error is compared with the *largest other peak* within ``REACH_S``, without the ``CORE_S`` around the sample itself.
It is not compared with a median: glottal pulses and plosive bursts come in trains, so they never stand out from each
other, while a discontinuity stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float32, Prediction

Index = NDArray[np.int64]

CORE_S = 0.002
REACH_S = 0.020
# Errors below -60 dBFS are inaudible: they neither stand out nor hide anything.
AUDIBLE = 1e-3
# Side peaks are looked up on a grid of half a millisecond.
BLOCK_S = 0.0005


@dataclass(frozen=True)
class Salience:
    """How far each sample stands out, (N,) float32, amplitudes at full scale 1.0.

    forward: root of the forward error energy of samples n and n + 1. both: geometric mean of ``forward`` and of the
    same root of the backward errors of samples n - 1 and n - 2, because a join is unpredictable from either side.
    ratio: ``forward`` over the largest ``forward`` nearby, or ``both`` over the largest ``both``, whichever is larger.
    both_side (2, blocks): the largest ``both`` before and after each block of ``block`` samples.
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


def measure_salience(prediction: Prediction, sample_rate: int) -> Salience:
    """Prediction errors (N,) -> how far each sample stands out from its surroundings."""
    block = round(BLOCK_S * sample_rate)
    core, reach = round(CORE_S / BLOCK_S), round(REACH_S / BLOCK_S)
    forward = _root_of_two(prediction.forward)
    both = np.zeros_like(forward)
    both[2:] = np.sqrt(forward[2:] * _root_of_two(prediction.backward)[:-2])
    forward_side, both_side = (side_peaks(values, block, core, reach) for values in (forward, both))
    ratio = np.maximum(_over(forward, forward_side, block), _over(both, both_side, block))
    return Salience(forward, both, both_side, ratio, block)


def _root_of_two(error: Float32) -> Float32:
    """Root of the energy of each sample and the next."""
    energy = np.square(error)
    energy[:-1] += energy[1:]
    return np.sqrt(energy, out=energy)


def _over(values: Float32, side: Float32, block: int) -> Float32:
    """values (N,) divided by the larger side peak of their block."""
    factor = 1 / np.maximum(side.max(axis=0), np.float32(AUDIBLE))
    scaled: Float32 = values * np.repeat(factor, block)[: len(values)]
    return scaled


def local_maxima(ratio: NDArray[np.floating], at_least: float, apart: int) -> Index:
    """Samples (K,) whose ratio is ``at_least`` or more and the largest within ``apart`` samples on either side."""
    high = np.flatnonzero(ratio >= at_least)
    # Direct neighbours first: they rule out most samples, and the wide comparison is expensive.
    for reach in (1, apart):
        around = np.clip(high[:, None] + np.arange(-reach, reach + 1), 0, len(ratio) - 1)
        high = high[ratio[high] >= ratio[around].max(axis=1)]
    return high


def is_near(points: Index, others: Index, tolerance: int) -> NDArray[np.bool_]:
    """Whether each point (P,) lies within ``tolerance`` samples of one of the sorted ``others`` (Q,) -> (P,) bool."""
    if len(others) == 0:
        return np.zeros(len(points), dtype=bool)
    after = np.minimum(np.searchsorted(others, points), len(others) - 1)
    before = np.maximum(after - 1, 0)
    distance = np.minimum(np.abs(others[after] - points), np.abs(others[before] - points))
    return np.asarray(distance <= tolerance)
