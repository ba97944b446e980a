"""Short-time linear prediction: the errors of predicting each sample from its past and from its future.

An order-p all-pole model is fitted to Hann-windowed frames (autocorrelation method, Levinson-Durbin recursion, e.g.
Makhoul 1975, "Linear prediction: a tutorial review"). Speech is predicted well by both its past and its future; a
discontinuity is predicted by neither (Vaseghi 2008, ch. 12; Godsill & Rayner 1998, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Index = NDArray[np.int64]

ORDER = 32
WINDOW_S = 0.040
# Frames lie at most this far apart, and at least half as far.
HOP_S = 0.010
# Energy is averaged over this long a Hann window before its maxima are taken for the centres of frames.
SMOOTHING_S = 0.005
# A stretch without a maximum of the energy that is longer than this is filled with frames from both of its ends.
LONGEST_EVEN_S = 0.100
# Frames analysed at once, few enough for their spectra to stay in the CPU's cache.
BLOCK_FRAMES = 64
# White noise added to each frame's autocorrelation: relative (-90 dB keeps the recursion stable over empty bands)
# and absolute (-100 dBFS keeps digital silence solvable).
RELATIVE_FLOOR = 1e-9
ABSOLUTE_FLOOR = 1e-10


@dataclass(frozen=True)
class Prediction:
    """Prediction errors of one signal (N,), full scale 1.0, accurate to about 1e-6.

    forward (N,) float32: x[n] minus its prediction from x[n-p..n-1]. backward (N,) float32: x[n] minus its prediction
    from x[n+1..n+p]. polynomials (frames, p + 1) float64: A(z) of each frame, with 1 first. frames (N,): the frame that
    each sample belongs to, the one with the nearest centre.
    """

    forward: Float32
    backward: Float32
    polynomials: Float
    frames: Index


def levinson(autocorrelation: Float) -> Float:
    """Autocorrelations (frames, p + 1) of positive definite frames -> prediction polynomials (frames, p + 1)."""
    lags = np.ascontiguousarray(autocorrelation.T)
    order = len(lags) - 1
    polynomial = np.zeros_like(lags)
    polynomial[0] = 1.0
    error = lags[0].copy()
    for i in range(1, order + 1):
        reflection = -np.einsum("kf,kf->f", polynomial[:i], lags[i:0:-1]) / error
        polynomial[1 : i + 1] += reflection * polynomial[i - 1 :: -1][:i]
        error *= 1.0 - reflection**2
    return np.ascontiguousarray(polynomial.T)


def autocorrelation(frames: Float, order: int) -> Float:
    """Hann-windowed frames (F, window) -> autocorrelation (F, order + 1) with both floors added."""
    from scipy import fft

    window = frames.shape[1]
    shape = np.hanning(window + 2)[1:-1]
    size = fft.next_fast_len(window + order, real=True)
    spectrum = fft.rfft(frames * shape, size, axis=1)
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    result = np.array(fft.irfft(power, size, axis=1)[:, : order + 1])
    result[:, 0] = result[:, 0] * (1 + RELATIVE_FLOOR) + ABSOLUTE_FLOOR * np.sum(shape**2)
    return result


def predict(pcm: NDArray[np.floating], sample_rate: int, order: int = ORDER) -> Prediction:
    """Prediction errors of mono PCM (N,), N >= 1, finite; samples outside the signal count as zero.

    What is found at a sample depends on the samples around it and not on where the signal begins.
    """
    window = round(WINDOW_S * sample_rate)
    centres = frame_centres(pcm, sample_rate)
    padded = np.pad(np.asarray(pcm, dtype=np.float64), (window, window))
    around = np.lib.stride_tricks.sliding_window_view(padded, window)
    blocks = [slice(start, start + BLOCK_FRAMES) for start in range(0, len(centres), BLOCK_FRAMES)]
    first = centres + window - window // 2
    polynomials = levinson(np.concatenate([autocorrelation(around[first[block]], order) for block in blocks]))
    edges = np.concatenate([[0], (centres[:-1] + centres[1:] + 1) // 2, [len(pcm)]])
    taps = polynomials.astype(np.float32).T
    single = padded[window - order : len(padded) - window + order].astype(np.float32)
    errors = [_errors(single, edges[block.start : block.stop + 1], taps[:, block]) for block in blocks]
    forward, backward = np.concatenate(errors, axis=1)
    return Prediction(forward, backward, polynomials, np.repeat(np.arange(len(centres)), np.diff(edges)))


def frame_centres(pcm: NDArray[np.floating], sample_rate: int) -> Index:
    """Centres (F,) of the frames of pcm (N,), sorted: maxima of the energy, and evenly spaced samples between them.

    Frames on a fixed grid would see other samples once the signal begins elsewhere, and what stands out by a hair on
    one grid does not on another. Maxima of the energy move with the signal.
    """
    from scipy.ndimage import maximum_filter1d

    hop = round(HOP_S * sample_rate)
    shape = np.hanning(round(SMOOTHING_S * sample_rate) + 2)[1:-1]
    energy = np.convolve(np.square(pcm, dtype=np.float64), shape)[(len(shape) - 1) // 2 :][: len(pcm)]
    top = np.flatnonzero((energy == maximum_filter1d(energy, 2 * (hop // 2) + 1, mode="constant")) & (energy > 0))
    # Of equal maxima, which a tone may have, the first counts.
    top = top[np.diff(top, prepend=-hop) > hop // 2]
    if not len(top):
        return np.arange(min(hop // 2, len(pcm) - 1), len(pcm), hop)
    inner = [_between(int(left), int(right), hop, sample_rate) for left, right in pairwise(top)]
    before, after = np.arange(top[0] - hop, -1, -hop)[::-1], np.arange(top[-1] + hop, len(pcm), hop)
    return np.unique(np.concatenate([before, top, *inner, after]))


def _between(left: int, right: int, hop: int, sample_rate: int) -> Index:
    """Centres between two maxima of the energy, at most a hop apart."""
    parts = -(-(right - left) // hop)
    if right - left <= LONGEST_EVEN_S * sample_rate:
        return left + (right - left) * np.arange(1, parts) // parts
    # Near either end they depend on that end alone, so that a search section by section finds the same ones.
    middle = (left + right) // 2
    return np.concatenate([np.arange(left + hop, middle, hop), np.arange(right - hop, middle, -hop)])


def _errors(single: Float32, edges: Index, taps: Float32) -> Float32:
    """Forward and backward errors (2, n) of the samples edges[0] <= n < edges[-1].

    single: the signal with p zeros before and after it; edges (f + 1,): where each frame begins, and the end of the
    last; taps (p + 1, f).
    """
    start, stop, order = int(edges[0]), int(edges[-1]), len(taps) - 1
    each = np.repeat(taps, np.diff(edges), axis=1)
    result = np.zeros((2, stop - start), np.float32)
    for k, tap in enumerate(each):
        result[0] += tap * single[start + order - k : stop + order - k]
        result[1] += tap * single[start + order + k : stop + order + k]
    return result
