"""Short-time linear prediction: the errors of predicting each sample from its past and from its future.

An order-p all-pole model is fitted to Hann-windowed frames (autocorrelation method, Levinson-Durbin recursion, e.g.
Makhoul 1975, "Linear prediction: a tutorial review"). Speech is predicted well by both its past and its future; a
discontinuity is predicted by neither (Vaseghi 2008, ch. 12; Godsill & Rayner 1998, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

ORDER = 32
WINDOW_S = 0.040
HOP_S = 0.010
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
    from x[n+1..n+p]. polynomials (frames, p + 1) float64: A(z) of each frame, with 1 first; sample n belongs to frame
    n // hop.
    """

    forward: Float32
    backward: Float32
    polynomials: Float
    hop: int


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


def _autocorrelation(frames: Float, order: int) -> Float:
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
    """Prediction errors of mono PCM (N,), N >= 1, finite; samples outside the signal count as zero."""
    window, hop = round(WINDOW_S * sample_rate), round(HOP_S * sample_rate)
    count = -(-len(pcm) // hop)
    before = max((window - hop) // 2, order)
    padded = np.zeros(before + count * hop + window)
    padded[before : before + len(pcm)] = pcm
    centred = np.lib.stride_tricks.sliding_window_view(padded[before - (window - hop) // 2 :], window)[::hop]
    blocks = [slice(start, min(start + BLOCK_FRAMES, count)) for start in range(0, count, BLOCK_FRAMES)]
    polynomials = levinson(np.concatenate([_autocorrelation(centred[block], order) for block in blocks]))
    single = padded.astype(np.float32)
    past = np.lib.stride_tricks.sliding_window_view(single[before - order :], hop + order)[::hop]
    future = np.lib.stride_tricks.sliding_window_view(single[before:], hop + order)[::hop]
    taps = polynomials.astype(np.float32)
    forward, backward = np.empty((count, hop), np.float32), np.empty((count, hop), np.float32)
    for block in blocks:
        forward[block] = _filtered(past[block], np.ascontiguousarray(taps[block, ::-1]))
        backward[block] = _filtered(future[block], taps[block])
    return Prediction(forward.ravel()[: len(pcm)], backward.ravel()[: len(pcm)], polynomials, hop)


def _filtered(spans: Float32, taps: Float32) -> Float32:
    """Rows (F, hop + p) correlated with their taps (F, p + 1) -> (F, hop)."""
    windows = np.lib.stride_tricks.sliding_window_view(spans, taps.shape[1], axis=1)
    filtered: Float32 = np.einsum("fht,ft->fh", windows, taps)
    return filtered
