"""Prediction across each candidate by a model that was fitted to both sides of it and has not seen it.

The frames of ``lpc.predict`` hold the candidate itself, so their models bend to explain it. A model of the 20 ms before
and the 20 ms after alone is surprised by a fault and is not by speech.
"""

from __future__ import annotations

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.fault_models import decibel, fit_fault_models
from ttsctl.audio.pops.salience import Index

CLEAN_FEATURES = (
    "clean_forward_before",  # peak of the forward error over the largest one in the 10 ms before
    "clean_forward_after",  # over the largest one in the 10 ms after
    "clean_backward_before",  # the same of the backward error
    "clean_backward_after",
    "clean_mean_before",  # peak of the forward error over the mean of the 10 ms before
    "clean_mean_after",  # over the mean of the 10 ms after
    "clean_error_change",  # mean error of the 10 ms after over that of the 10 ms before
    "clean_predicted",  # signal level over the lower of the two mean errors
    "clean_step",  # the fault models of ``fault_models``, with this predictor
    "clean_step_level",
    "clean_impulse",
    "clean_flip",
    "clean_gain",
    "clean_correlation",
    "clean_size",  # how much larger the signal is that follows than the one that would be predicted best
    "clean_energy",  # error energy after the candidate over the lower of the two mean errors
)
WINDOW_S = 0.020
NEAR_S = 0.010
# The samples around the candidate that belong to neither side: a fault begins up to two samples from the peak.
SKIP = 3
TINY = 1e-10


def clean_polynomials(pcm: Float, at: Index, sample_rate: int) -> Float:
    """Prediction polynomials (C, p + 1) from WINDOW_S on both sides of each candidate (C,) of pcm (N,).

    Each side's autocorrelation is divided by the root of its energy, so that a quiet side counts for something, too.
    """
    window = round(WINDOW_S * sample_rate)
    padded = np.pad(pcm, (window + SKIP, window + SKIP))
    centre = (at + window + SKIP)[:, None]
    sides = [padded[centre + np.arange(first, first + window)] for first in (1 - SKIP - window, SKIP)]
    before, after = (lpc.autocorrelation(side, lpc.ORDER) for side in sides)
    return lpc.levinson(before / np.sqrt(before[:, :1]) + after / np.sqrt(after[:, :1]))


def clean_features(pcm: Float, at: Index, sample_rate: int) -> dict[str, Float]:
    """pcm (N,) float64, candidates (C,) -> CLEAN_FEATURES, each (C,), dB; samples outside pcm count as zero."""
    polynomials = clean_polynomials(pcm, at, sample_rate)
    fits = fit_fault_models(pcm, at, polynomials)
    values, quieter = _clean_errors(pcm, at, polynomials, round(NEAR_S * sample_rate))
    return values | {
        "clean_step": fits.step,
        "clean_step_level": fits.step_level,
        "clean_impulse": fits.impulse,
        "clean_flip": fits.flip,
        "clean_gain": fits.gain,
        "clean_correlation": fits.correlation,
        "clean_size": fits.size,
        "clean_energy": fits.energy - decibel(quieter),
    }


def _clean_errors(pcm: Float, at: Index, polynomials: Float, near: int) -> tuple[dict[str, Float], Float]:
    """The features of the errors from ``near`` samples before to as many after, and the lower mean error (C,)."""
    order = polynomials.shape[1] - 1
    reach = near + order + SKIP + 3
    padded = np.pad(pcm, (reach, reach + order))
    around = padded[(at + reach)[:, None] + np.arange(-reach, reach + order)]
    windows = np.lib.stride_tricks.sliding_window_view(around, order + 1, axis=1)
    first = order - reach  # the sample, counted from the candidate, that has the first forward error
    forward = _pair_energies(np.matmul(windows, polynomials[:, ::-1, None])[:, :, 0])
    backward = _pair_energies(np.matmul(windows[:, reach - 4 : reach + 3], polynomials[:, :, None])[:, :, 0])
    peak = forward[:, -2 - first : 3 - first].max(axis=1)
    peak_back = backward.max(axis=1)
    before = forward[:, -near - first : -SKIP - 1 - first]
    after = forward[:, order + SKIP - first : near + order - first]
    most_before, most_after = (side.max(axis=1) + TINY for side in (before, after))
    mean_before, mean_after = (side.mean(axis=1) + TINY for side in (before, after))
    quieter = np.minimum(mean_before, mean_after)
    values = {
        "clean_forward_before": decibel(peak / most_before),
        "clean_forward_after": decibel(peak / most_after),
        "clean_backward_before": decibel(peak_back / most_before),
        "clean_backward_after": decibel(peak_back / most_after),
        "clean_mean_before": decibel(peak / mean_before),
        "clean_mean_after": decibel(peak / mean_after),
        "clean_error_change": decibel(mean_after / mean_before),
        "clean_predicted": decibel((np.mean(around**2, axis=1) + TINY) / quieter),
    }
    return values, quieter


def _pair_energies(errors: Float) -> Float:
    """Errors (C, K) -> energy of each and the next, (C, K - 1)."""
    energy = errors**2
    return np.asarray(energy[:, :-1] + energy[:, 1:])
