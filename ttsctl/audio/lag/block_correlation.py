"""How well B repeats A at a given lag, block by block; gain, sign and a constant offset do not matter.

A lag is the sample of B minus the sample of A that it repeats. Both signals are pre-emphasised (x[n] - 0.95 x[n-1]),
so that a low-pitched vowel does not agree with itself at every lag near its period. Pre-emphasis also raises the noise
between the two, most of all where the speech has no high frequencies; ``Band`` compares the low frequencies alone.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float
from ttsctl.audio.sound import SignalView

Pcm = NDArray[np.floating] | SignalView

BLOCK = 128
EMPHASIS = 0.95
# 1.3 ms at 24 kHz: short against a block, so that the sound beyond a jump spoils no block that is clear of it.
LOW_PASS_TAPS = 31
# As long as the level of the noise is not known, pre-emphasised blocks below -60 dBFS in both signals are inconclusive
# unless they agree.
CONCLUSIVE = 1e-3
AGREES = 0.9
# Lags this close to a better one belong to the same peak.
PEAK_WIDTH = 8
# Levelling averages this many samples on either side, amplifies nothing below -120 dBFS, and clips the rest of pops.
LEVEL_REACH, SILENCE, PEAK_LIMIT = 64, 1e-6, 4.0
# Less unexplained energy than this share counts as an exact copy: below it, rounding decides.
EXACT = 1e-5


class Band(Enum):
    """The frequencies at which two signals are compared: up to this share of the Nyquist frequency."""

    FULL = 1.0
    THIRD = 1 / 3
    SIXTH = 1 / 6


@dataclass(frozen=True)
class Blocks:
    """Blocks of A against B at one lag, one value a block, (K,).

    correlation: absolute value at the lag. gain: the factor from B to A. conclusive: whether the block can tell
    anything. energy: of a sample of A. unexplained: energy of a sample of A minus the scaled B.
    """

    correlation: Float
    gain: Float
    conclusive: NDArray[np.bool_]
    energy: Float
    unexplained: Float

    @property
    def score(self) -> Float:
        """Decades of A's energy that B explains, 0 to 5, minus one half if it explains nothing; 0 if inconclusive."""
        explained = -np.log10(1 - self.correlation**2 + EXACT)
        return np.where(self.conclusive, explained - 0.5 * (self.correlation < 0.5), 0.0)

    @property
    def agrees(self) -> NDArray[np.bool_]:
        """Whether a block is conclusive and B repeats it."""
        return self.conclusive & (self.correlation >= AGREES)


def emphasised(pcm: Pcm, start: int, stop: int, band: Band = Band.FULL) -> Float:
    """x[n] - 0.95 x[n-1] for n in [start, stop), float64, low-passed to ``band``; zero outside the signal."""
    taps = _low_pass(band)
    reach = len(taps) // 2
    first, last = start - reach - 1, stop + reach
    low, high = max(first, 0), min(last, len(pcm))
    result = np.zeros(last - first)
    if high > low:
        result[low - first : high - first] = pcm[low:high]
    result = result[1:] - EMPHASIS * result[:-1]
    return result if band is Band.FULL else _filtered(result, taps)


@functools.cache
def _low_pass(band: Band) -> Float:
    """A symmetric low-pass filter (LOW_PASS_TAPS,), or (1,) for the full band; its delay is zero."""
    if band is Band.FULL:
        return np.ones(1)
    from scipy.signal import firwin

    return np.asarray(firwin(LOW_PASS_TAPS, band.value), np.float64)


def _filtered(signal: Float, taps: Float) -> Float:
    """The part (N - taps + 1,) of the convolution that needs no sample outside of ``signal``."""
    from scipy.signal import oaconvolve

    # A short signal is faster without FFT.
    return np.asarray(np.convolve(signal, taps, "valid") if len(signal) < 8192 else oaconvolve(signal, taps, "valid"))


def compare_blocks(
    a: Pcm, b: Pcm, start: int, lag: int, count: int, quiet: float = CONCLUSIVE, band: Band = Band.FULL
) -> Blocks:
    """Compare ``count`` blocks of A (N,) from sample ``start`` on with B (M,) at ``lag``, in ``band``.

    A block is conclusive if its RMS is above ``quiet`` in A or in B, or if it agrees.
    """
    stop = start + count * BLOCK
    x = emphasised(a, start, stop, band).reshape(count, BLOCK)
    y = emphasised(b, start + lag, stop + lag, band).reshape(count, BLOCK)
    x_energy, y_energy = np.einsum("ki,ki->k", x, x), np.einsum("ki,ki->k", y, y)
    product = np.einsum("ki,ki->k", x, y)
    correlation = np.minimum(np.abs(product) / np.sqrt(np.maximum(x_energy * y_energy, 1e-30)), 1.0)
    loud = np.maximum(x_energy, y_energy) > BLOCK * quiet**2
    return Blocks(
        correlation=correlation,
        gain=product / np.maximum(y_energy, 1e-30),
        conclusive=loud | ((correlation >= AGREES) & (x_energy > 0)),
        energy=x_energy / BLOCK,
        unexplained=x_energy * (1 - correlation**2) / BLOCK,
    )


def likely_lags(
    a: Pcm, b: Pcm, start: int, length: int, lags: tuple[int, int], count: int, band: Band = Band.FULL
) -> list[int]:
    """The ``count`` lags in lags[0]..lags[1] at which ``length`` samples of A from ``start`` on correlate best with B.

    The best comes first. Normalised cross-correlation by FFT, of both signals levelled.
    """
    from scipy import fft

    first, last = max(lags[0], -start - length + 1), min(lags[1], len(b) - start - 1)
    if last < first:
        return []
    x = _levelled(emphasised(a, start, start + length, band))
    y = _levelled(emphasised(b, start + first, start + last + length, band))
    size = fft.next_fast_len(len(y), real=True)
    product = fft.irfft(fft.rfft(y, size) * np.conj(fft.rfft(x, size)), size)[: last - first + 1]
    energy = np.concatenate([[0.0], np.cumsum(y**2)])
    energy = energy[length:] - energy[:-length]
    match = np.abs(product) / np.sqrt(np.maximum(energy, 1e-3 * np.sum(x**2)) + 1e-12)
    found = []
    for _ in range(min(count, len(match))):
        best = int(match.argmax())
        if match[best] <= 0:
            break
        found.append(first + best)
        match[max(best - PEAK_WIDTH, 0) : best + PEAK_WIDTH + 1] = 0.0
    return found


def _levelled(signal: Float) -> Float:
    """The signal over its mean magnitude around each sample: every stretch counts alike, and pops count for little."""
    running = np.concatenate([[0.0], np.cumsum(np.abs(signal))])
    at = np.arange(len(signal))
    low, high = np.maximum(at - LEVEL_REACH, 0), np.minimum(at + LEVEL_REACH + 1, len(signal))
    level = (running[high] - running[low]) / (high - low)
    return np.asarray(np.clip(signal / np.maximum(level, SILENCE), -PEAK_LIMIT, PEAK_LIMIT))
