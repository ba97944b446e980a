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


@dataclass(frozen=True)
class Salience:
    """How far each sample stands out, (N,) float32, amplitudes at full scale 1.0.

    forward: root of the forward error energy of samples n and n + 1. both: geometric mean of ``forward`` and of the
    same root of the backward errors of samples n - 1 and n - 2, because a join is unpredictable from either side.
    ratio: ``forward`` over the largest ``forward`` nearby, or ``both`` over the largest ``both``, whichever is larger.
    both_side (2, N): the largest ``both`` from ``CORE_S`` to ``REACH_S`` before each sample, and after it.
    """

    forward: Float32
    both: Float32
    both_side: Float32
    ratio: Float32


def side_peaks(values: Float32, core: int, reach: int) -> Float32:
    """values (N,) >= 0 -> (2, N): the largest value ``core`` + 1 to ``reach`` samples before each sample, and after."""
    from scipy.ndimage import maximum_filter1d

    width = reach - core
    # ``largest[n]`` is that of values[n - reach - core .. n - 1 - 2 * core] once both ends are padded.
    padded = np.pad(values, (reach, reach + width))
    largest = maximum_filter1d(padded, width, origin=-(width // 2), mode="constant")
    return np.stack([largest[: len(values)], largest[reach + core + 1 :][: len(values)]])


def measure_salience(prediction: Prediction, sample_rate: int) -> Salience:
    """Prediction errors (N,) -> how far each sample stands out from its surroundings."""
    core, reach = round(CORE_S * sample_rate), round(REACH_S * sample_rate)
    forward = _root_of_two(prediction.forward)
    both = np.zeros_like(forward)
    both[2:] = np.sqrt(forward[2:] * _root_of_two(prediction.backward)[:-2])
    forward_side, both_side = (side_peaks(values, core, reach) for values in (forward, both))
    ratio = np.maximum(_over(forward, forward_side), _over(both, both_side))
    return Salience(forward, both, both_side, ratio)


def _root_of_two(error: Float32) -> Float32:
    """Root of the energy of each sample and the next."""
    energy = np.square(error)
    energy[:-1] += energy[1:]
    return np.sqrt(energy, out=energy)


def _over(values: Float32, side: Float32) -> Float32:
    """values (N,) divided by their larger side peak."""
    return np.asarray(values / np.maximum(side.max(axis=0), np.float32(AUDIBLE)))


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
