"""The features of each candidate pop: one row of numbers, most of them in dB, the input of ``classifier``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.audio.lpc import Float, Prediction
from ttsctl.audio.pops.clean_prediction import CLEAN_FEATURES, clean_features
from ttsctl.audio.pops.fault_models import decibel, fit_fault_models
from ttsctl.audio.pops.pitch_cycles import PITCH_FEATURES, pitch_features
from ttsctl.audio.pops.repeats_and_gaps import gap_isolation_db
from ttsctl.audio.pops.salience import AUDIBLE, Index, Salience

FEATURE_NAMES = (
    "both_before",  # two-sided error over the largest one in the 20 ms before
    "both_after",  # two-sided error over the largest one in the 20 ms after
    "both_weaker",  # the lower of both_before and both_after
    "level",  # forward error energy, dBFS
    "error_before",  # forward error over the mean of the 1 ms before
    "error_local",  # error energy after the candidate over the quieter of the 10 ms before and the 10 ms after
    "step",  # explained by a DC step
    "step_level",  # size of the DC step over the signal around
    "impulse",  # explained by an impulse
    "impulse_level",  # size of the impulse over the signal around
    "flip",  # explained by a polarity flip
    "gain",  # explained by a gain jump
    "correlation",  # of prediction and signal, 1 for undisturbed speech
    "rise",  # signal level of the 5 ms after over the 5 ms before
    "change",  # absolute value of rise
    "copy",  # difference of what follows from its best copy in what came before, over the level of what follows
    "copy_edge",  # how much worse that copy fits just before the candidate
    "gap_alone",  # the next quietest 0.4 ms within 25 ms over the quietest 0.4 ms within 1 ms
    "gap",  # quietest 0.4 ms within 1 ms, over the signal around
    *PITCH_FEATURES,
    *CLEAN_FEATURES,
)
REACH_S = 0.010
NEAR_S = 0.005
CLOSE_S = 0.001
GAP_S = 0.0004
COPY_SAMPLES = 32
COPY_EDGE = 16
COPY_LAGS = (30, 616)
# The candidate is where the errors peak, up to two samples after the join itself.
COPY_SKIP = 2
LIMIT_DB = 80.0
# Candidates whose features are computed at once.
BLOCK = 512


@dataclass(frozen=True)
class Energies:
    """Running sums of squares, each (N + 1,): of the signal and of its forward prediction error."""

    signal: Float
    error: Float


def _mean(running: Float, at: Index, first: int, stop: int) -> Float:
    """Mean energy of the samples at + first <= n < at + stop; samples outside the signal count as zero."""
    last = len(running) - 1
    return (running[np.clip(at + stop, 0, last)] - running[np.clip(at + first, 0, last)]) / (stop - first)


def feature_rows(pcm: Float, candidates: Index, prediction: Prediction, salience: Salience, sample_rate: int) -> Float:
    """Rows (C, len(FEATURE_NAMES)) float64 for candidates (C,) of pcm (N,) float64, clipped to ±LIMIT_DB."""
    sums = Energies(
        np.concatenate([[0.0], np.cumsum(pcm**2)]),
        np.concatenate([[0.0], np.cumsum(np.square(prediction.forward), dtype=np.float64)]),
    )
    rows = [np.zeros((0, len(FEATURE_NAMES)))]
    for start in range(0, len(candidates), BLOCK):
        some = candidates[start : start + BLOCK]
        values = _block(pcm, some, prediction, salience, sums, sample_rate)
        values |= pitch_features(pcm, some, sample_rate) | clean_features(pcm, some, sample_rate)
        rows.append(np.stack([values[name] for name in FEATURE_NAMES], axis=1))
    return np.clip(np.concatenate(rows), -LIMIT_DB, LIMIT_DB)


def _block(
    pcm: Float, at: Index, prediction: Prediction, salience: Salience, sums: Energies, sample_rate: int
) -> dict[str, Float]:
    polynomials = prediction.polynomials[prediction.frames[at]]
    order = polynomials.shape[1] - 1
    reach, near, close = (round(s * sample_rate) for s in (REACH_S, NEAR_S, CLOSE_S))
    fits = fit_fault_models(pcm, at, polynomials)
    quiet_error = np.minimum(_mean(sums.error, at, -reach, -3), _mean(sums.error, at, order, order + reach))
    before = decibel(_mean(sums.signal, at, -near, -2) + 1e-9)
    after = decibel(_mean(sums.signal, at, 4, near) + 1e-9)
    surroundings = decibel(
        np.maximum(_mean(sums.signal, at, -2 * reach, -2), _mean(sums.signal, at, 4, 2 * reach)) + 1e-9
    )
    side = np.maximum(salience.both_side[:, at], AUDIBLE)
    error = salience.forward[at].astype(np.float64)
    copy, copy_edge = _copies(pcm, at)
    return {
        "both_before": 2 * decibel(salience.both[at] / side[0]),
        "both_after": 2 * decibel(salience.both[at] / side[1]),
        "both_weaker": 2 * decibel(salience.both[at] / side.max(axis=0)),
        "level": 2 * decibel(error),
        "error_before": decibel(error**2 / (_mean(sums.error, at, -close, -3) + 1e-10)),
        "error_local": fits.energy - decibel(quiet_error + 1e-10),
        "step": fits.step,
        "step_level": fits.step_level - surroundings,
        "impulse": fits.impulse,
        "impulse_level": fits.impulse_level - surroundings,
        "flip": fits.flip,
        "gain": fits.gain,
        "correlation": fits.correlation,
        "rise": after - before,
        "change": np.abs(after - before),
        "copy": copy,
        "copy_edge": copy_edge,
        "gap_alone": gap_isolation_db(pcm, at, sample_rate),
        "gap": _quietest(pcm, at, sample_rate) - decibel(_mean(sums.signal, at, -reach, reach) + 1e-9),
    }


def _quietest(pcm: Float, at: Index, sample_rate: int) -> Float:
    """Energy in dBFS of the quietest GAP_S within CLOSE_S of each candidate (C,)."""
    close, width = round(CLOSE_S * sample_rate), round(GAP_S * sample_rate)
    padded = np.pad(pcm, close)
    energy = np.cumsum(padded[(at + close)[:, None] + np.arange(-close, close)] ** 2, axis=1)
    energy = np.pad(energy, ((0, 0), (1, 0)))
    return decibel((energy[:, width:] - energy[:, :-width]).min(axis=1) / width + 1e-12)


def _copies(pcm: Float, at: Index) -> tuple[Float, Float]:
    """How well the samples after each candidate repeat earlier ones, and whether the repeat begins at the candidate.

    -> (difference from the best copy at any of COPY_LAGS, over the signal's energy; the difference at the same lag
    just before the candidate, over the difference after it), both in dB, (C,).
    """
    shortest, longest = COPY_LAGS
    padded = np.pad(pcm, (longest + COPY_EDGE, COPY_SKIP + COPY_SAMPLES))
    at = at + longest + COPY_EDGE
    here = padded[at[:, None] + np.arange(COPY_SKIP, COPY_SKIP + COPY_SAMPLES)]
    past = padded[at[:, None] + np.arange(COPY_SKIP - longest, COPY_SKIP - shortest + COPY_SAMPLES)]
    windows = np.lib.stride_tricks.sliding_window_view(past, COPY_SAMPLES, axis=1)
    product = np.matmul(windows, here[:, :, None])[:, :, 0]
    running = np.pad(np.cumsum(past**2, axis=1), ((0, 0), (1, 0)))
    energy = np.sum(here**2, axis=1)
    difference = energy[:, None] + running[:, COPY_SAMPLES:] - running[:, :-COPY_SAMPLES] - 2 * product
    best = difference.argmin(axis=1)
    smallest = np.maximum(difference[np.arange(len(at)), best], 1e-12)
    edge = np.arange(-COPY_EDGE - COPY_SKIP, -COPY_SKIP)
    edge_difference = padded[at[:, None] + edge] - padded[(at - longest + best)[:, None] + edge]
    contrast = np.mean(edge_difference**2, axis=1) / (smallest / COPY_SAMPLES) + 1e-12
    return decibel(smallest / (energy + 1e-9)), decibel(contrast)
