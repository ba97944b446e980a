"""How far apart the spectra of two recordings are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.metrics import Pcm, why_unmeasurable

WINDOW, HOP = 1024, 256
# What lies this far below the loudest bin of the first recording is not heard beside it.
FLOOR_DB = 80.0


def log_spectral_distance_db(a: Pcm, b: Pcm) -> float | None:
    """The mean over frames of the RMS over bins of the difference of both power spectra in dB (Gray & Markel, 1976).

    a (N,) and b (N,) float, of one length: frames of 1024 samples (Hann), 256 apart; powers more than FLOOR_DB below
    the largest of ``a`` count as that floor. None for less than a frame, non-finite audio, and a silent ``a``.
    """
    if why_unmeasurable(a) or why_unmeasurable(b) or min(len(a), len(b)) < WINDOW:
        return None
    powers = _powers(a), _powers(b)
    floor = float(powers[0].max()) * 10 ** (-FLOOR_DB / 10)
    if floor == 0:
        return None
    left, right = (10 * np.log10(np.maximum(power, floor)) for power in powers)
    return float(np.mean(np.sqrt(np.mean(np.square(left - right), axis=1))))


def _powers(pcm: Pcm) -> NDArray[np.float64]:
    """(N,) -> (frames, 513)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(pcm, np.float64), WINDOW)[::HOP]
    return np.asarray(np.square(np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1))))
