"""Whether the pitch cycles before a candidate go on after it, and those after it come from before.

The lag at which one side repeats itself continues that side across the candidate. Speech goes on as its own cycles do,
at the same size. A gain jump keeps their shape and changes their size, a polarity flip turns them over, and a join of
two pieces that were not neighbours breaks their rhythm.
"""

from __future__ import annotations

import numpy as np

from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.fault_models import decibel
from ttsctl.audio.pops.salience import Index

PITCH_FEATURES = (
    "periodic_before",  # correlation of the 10 ms before with themselves, a cycle away
    "like_short_before",  # highest correlation of the 1.5 ms after with the cycles before, continued
    "unlike_short_before",  # lowest such correlation, -1 for a flip
    "size_short_before",  # level of the 1.5 ms after over that of the cycles before, continued, dB
    "like_long_before",  # the same three for the 6 ms after
    "unlike_long_before",
    "size_long_before",
    "periodic_after",  # the same seven with time reversed
    "like_short_after",
    "unlike_short_after",
    "size_short_after",
    "like_long_after",
    "unlike_long_after",
    "size_long_after",
)
# Lags of voices of 50 to 500 Hz.
LAGS_S = (0.002, 0.020)
# How much of a side is compared with itself, a lag further away.
OWN_S = 0.010
# How much of the other side is compared with the continuation: less than a cycle, and about a cycle.
SPANS_S = (0.0015, 0.006)
# The samples around the candidate that belong to neither side: a fault begins up to two samples from the peak.
SKIP = 3
# How many samples the pitch may have changed by since the cycle that is continued.
SHIFTS = np.arange(-4, 5)
TINY = 1e-10


def pitch_features(pcm: Float, at: Index, sample_rate: int) -> dict[str, Float]:
    """pcm (N,) float64, candidates (C,) -> PITCH_FEATURES, each (C,); samples outside pcm count as zero."""
    low, high = (round(s * sample_rate) for s in LAGS_S)
    own = round(OWN_S * sample_rate)
    reach = own + high + len(SHIFTS) + SKIP
    padded = np.pad(pcm, (reach, reach))
    away = np.arange(SKIP, reach)
    before, after = padded[(at + reach)[:, None] - away], padded[(at + reach)[:, None] + away]
    features = {}
    for name, near, other in (("before", before, after), ("after", after, before)):
        lag, features[f"periodic_{name}"] = _own_lag(near, own, low, high)
        for length, span in zip(("short", "long"), SPANS_S, strict=True):
            values = _continued(near, other[:, : round(span * sample_rate)], lag)
            features |= {
                f"{what}_{length}_{name}": v for what, v in zip(("like", "unlike", "size"), values, strict=True)
            }
    return features


def _own_lag(near: Float, own: int, low: int, high: int) -> tuple[Index, Float]:
    """near (C, ·), away from the candidate -> lags (C,) in low..high and correlations (C,).

    At this lag the first ``own`` samples are most like those that follow.
    """
    from scipy import fft

    size = fft.next_fast_len(own + high + 1, real=True)
    reach = near[:, : own + high + 1]
    spectrum = np.conj(fft.rfft(near[:, :own], size, axis=1)) * fft.rfft(reach, size, axis=1)
    product = fft.irfft(spectrum, size, axis=1)
    energy = np.pad(np.cumsum(reach**2, axis=1), ((0, 0), (1, 0)))
    shifted = energy[:, own + low : own + high + 1] - energy[:, low : high + 1]
    likeness = product[:, low : high + 1] / np.sqrt((energy[:, own] + TINY)[:, None] * (shifted + TINY))
    best = likeness.argmax(axis=1)
    return best + low, likeness[np.arange(len(best)), best]


def _continued(near: Float, other: Float, lag: Index) -> tuple[Float, Float, Float]:
    """near (C, ·) and other (C, W), both away from the candidate; lag (C,) of near.

    -> highest and lowest correlation of other with the continuation of near, and its level over that one in dB, (C,).
    """
    distance = 2 * SKIP + np.arange(other.shape[1])
    cycles = -(-(distance + SHIFTS[-1]) // lag[:, None])
    index = cycles * lag[:, None] - distance
    rows = np.arange(len(near))[:, None, None]
    continuation = near[rows, index[:, None, :] + SHIFTS[:, None]]
    product = np.einsum("csw,cw->cs", continuation, other)
    energy = np.einsum("csw,csw->cs", continuation, continuation) + TINY
    level = np.sum(other**2, axis=1) + TINY
    likeness = product / np.sqrt(energy * level[:, None])
    best = np.abs(likeness).argmax(axis=1)
    size = decibel(level / energy[np.arange(len(best)), best])
    return likeness.max(axis=1), likeness.min(axis=1), size
