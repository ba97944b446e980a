"""Plain figures of one waveform or of two: level, roughness, largest steps, repeats, distance.

All take mono PCM (N,) of any float type, full scale 1.0, and compute in float64. A figure that cannot be measured is
None; ``why_unmeasurable`` gives the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ttsctl.audio.spikes import LargestSteps

Pcm = NDArray[np.floating[Any]]

LEVEL_FRAME_MS = 20.0
REPEAT_WINDOW_MS = 500.0
REPEAT_CORRELATION = 0.995
# Rounding a signal to float32 leaves noise about 150 dB below it: above that, an SNR says nothing about the audio.
SNR_CAP_DB = 150.0
# How far apart two waveforms may lie when they are aligned.
MAX_OFFSET_MS = 500.0


def why_unmeasurable(pcm: Pcm) -> str | None:
    """Why audio cannot be measured: no samples, or samples that are NaN or infinite; None if it can be."""
    if len(pcm) == 0:
        return "no samples"
    bad = int(np.count_nonzero(~np.isfinite(pcm)))
    return f"{bad} samples are NaN or infinite" if bad else None


def is_finite(pcm: Pcm) -> bool:
    """True if no sample is NaN or infinite; true for no samples."""
    return bool(np.isfinite(pcm).all())


def rms(pcm: Pcm) -> float | None:
    """Root mean square, full scale 1.0; None for empty or non-finite audio."""
    if why_unmeasurable(pcm):
        return None
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))


def peak(pcm: Pcm) -> float | None:
    """Largest absolute sample, full scale 1.0; None for empty or non-finite audio."""
    if why_unmeasurable(pcm):
        return None
    return float(np.max(np.abs(pcm)))


def percentile(values: ArrayLike, q: float) -> float | None:
    """The ``q``-th percentile (0..100) with linear interpolation between order statistics; None for no values."""
    array = np.asarray(values, dtype=np.float64)
    return float(np.percentile(array, q)) if array.size else None


def _windows(pcm: Pcm, samples: int) -> NDArray[np.float64]:
    """(N,) -> (N // samples, samples) float64; an incomplete last window is left out."""
    count = len(pcm) // samples
    return np.asarray(pcm[: count * samples], dtype=np.float64).reshape(count, samples)


def frame_samples(sample_rate: int) -> int:
    """Samples of a 20-ms frame."""
    return max(1, round(sample_rate * LEVEL_FRAME_MS / 1000))


def frame_rms(pcm: Pcm, sample_rate: int) -> NDArray[np.float64]:
    """RMS of consecutive whole 20-ms frames, (frames,) float64, full scale 1.0."""
    return np.asarray(np.sqrt(np.mean(np.square(_windows(pcm, frame_samples(sample_rate))), axis=1)))


def pop_click_score(pcm: Pcm, sample_rate: int) -> float | None:
    """95th percentile of |differences of consecutive 20-ms frame RMS|, full scale 1.0.

    None for fewer than 2 whole frames or non-finite audio.
    """
    if why_unmeasurable(pcm):
        return None
    return percentile(np.abs(np.diff(frame_rms(pcm, sample_rate))), 95)


def spike_times(pcm: Pcm, sample_rate: int) -> list[float]:
    """Times in s, sorted, of the 20 largest |x[n+1] - x[n]| among those at or over their 99.9th percentile.

    The plain measure of earlier reports; it finds consonants as well as pops. More in ``spikes.LargestSteps``.
    """
    steps = LargestSteps(len(pcm), sample_rate)
    if len(pcm):
        steps.add(pcm[:, None])
    return steps.times_s()


def repeat_count(pcm: Pcm, sample_rate: int) -> int | None:
    """Pairs of adjacent 500-ms windows whose Pearson correlation is at least 0.995.

    0 if the audio holds no two windows; a window without variation (silence) correlates with nothing. None for
    non-finite audio.
    """
    if not is_finite(pcm):
        return None
    windows = _windows(pcm, max(1, round(sample_rate * REPEAT_WINDOW_MS / 1000)))
    if len(windows) < 2:
        return 0
    centred = windows - windows.mean(axis=1, keepdims=True)
    energy = np.sum(np.square(centred), axis=1)
    scale = np.sqrt(energy[:-1] * energy[1:])
    dot = np.sum(centred[:-1] * centred[1:], axis=1)
    return int(np.count_nonzero((scale > 0) & (dot >= REPEAT_CORRELATION * scale)))


@dataclass(frozen=True)
class WaveformAlignment:
    """Where two waveforms fit best: ``b[n + offset]`` lies on ``a[n]``, so b is late if ``offset`` is positive.

    The stretch of ``samples`` that both have begins at sample ``a_start`` of a and ``b_start`` of b.
    """

    offset: int
    offset_ms: float
    a_start: int
    b_start: int
    samples: int


@dataclass(frozen=True)
class AlignedError:
    """Mean |a - b| over the stretch that both have, full scale 1.0."""

    mae: float
    alignment: WaveformAlignment


def align_waveforms(a: Pcm, b: Pcm, sample_rate: int, max_offset_ms: float = MAX_OFFSET_MS) -> WaveformAlignment | None:
    """Align a (N,) and b (M,) at the offset within ±``max_offset_ms`` that has the largest cross-correlation.

    Offsets with less than half of the shorter waveform in common are not tried. Of offsets that correlate equally well
    (to 1e-9 of the energies, the rounding of the FFT) the smallest is taken, so that silence and periodic sounds align
    at 0. None if either waveform is empty or not finite.
    """
    if why_unmeasurable(a) or why_unmeasurable(b):
        return None
    lags, correlation = _cross_correlation(a, b)
    limit = round(sample_rate * max_offset_ms / 1000)
    common = np.minimum(len(a), len(b) - lags) - np.maximum(0, -lags)
    tried = (np.abs(lags) <= limit) & (2 * common >= min(len(a), len(b)))
    lags, correlation = lags[tried], correlation[tried]
    rounding = 1e-9 * float(np.linalg.norm(np.asarray(a, np.float64)) * np.linalg.norm(np.asarray(b, np.float64)))
    best = lags[correlation >= correlation.max() - rounding]
    return _common_stretch(len(a), len(b), int(best[np.argmin(np.abs(best))]), sample_rate)


def _cross_correlation(a: Pcm, b: Pcm) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every lag k at which a and b overlap, and the sum over n of a[n] * b[n + k]."""
    from scipy.signal import correlate, correlation_lags

    value = correlate(np.asarray(b, np.float64), np.asarray(a, np.float64), mode="full", method="fft")
    return np.asarray(correlation_lags(len(b), len(a), mode="full"), np.int64), np.asarray(value, np.float64)


def _common_stretch(a_samples: int, b_samples: int, offset: int, sample_rate: int) -> WaveformAlignment:
    a_start, b_start = max(0, -offset), max(0, offset)
    samples = min(a_samples - a_start, b_samples - b_start)
    return WaveformAlignment(offset, 1000 * offset / sample_rate, a_start, b_start, samples)


def _common(a: Pcm, b: Pcm, at: WaveformAlignment) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (
        np.asarray(a[at.a_start : at.a_start + at.samples], dtype=np.float64),
        np.asarray(b[at.b_start : at.b_start + at.samples], dtype=np.float64),
    )


def mae_aligned(a: Pcm, b: Pcm, sample_rate: int) -> AlignedError | None:
    """Mean absolute difference of a and b at their best offset (``align_waveforms``), or at 0 if that gives less.

    None if either waveform is empty or not finite.
    """
    best = align_waveforms(a, b, sample_rate)
    if best is None:
        return None
    candidates = [_common_stretch(len(a), len(b), 0, sample_rate), best]
    errors = [AlignedError(float(np.mean(np.abs(np.subtract(*_common(a, b, at))))), at) for at in candidates]
    return min(errors, key=lambda error: error.mae)


def snr_db(reference: Pcm, test: Pcm, at: WaveformAlignment) -> float | None:
    """10 log10(energy of the reference / energy of the difference), aligned by ``at``; at most 150 dB.

    Samples that only one waveform has count whole as difference, so audio that is cut short scores low. Equal audio
    scores ``SNR_CAP_DB``. None for a silent reference, which has no level to compare with.
    """
    energy = _energy(reference)
    if energy == 0:
        return None
    signal, other = _common(reference, test, at)
    alone = energy - _energy(signal) + _energy(test) - _energy(other)
    noise = _energy(signal - other) + max(0.0, alone)
    if noise == 0:
        return SNR_CAP_DB
    return min(SNR_CAP_DB, 10 * float(np.log10(energy / noise)))


def _energy(pcm: Pcm) -> float:
    return float(np.sum(np.square(pcm, dtype=np.float64)))
