"""Linear prediction against plain linear algebra and a process whose model is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from tests.audio.audio_helpers import RATE, speech, white
from ttsctl.audio import lpc
from ttsctl.audio.pops.salience import local_maxima, side_peaks


def test_levinson_solves_the_normal_equations() -> None:
    generator = np.random.default_rng(0)
    signals = lfilter([1.0], [1.0, -1.2, 0.6], generator.standard_normal((5, 400)), axis=1)
    lags = np.array([[np.dot(x[: 400 - k], x[k:]) for k in range(13)] for x in signals])
    polynomials = lpc.levinson(lags)
    for row, r in zip(polynomials, lags, strict=True):
        assert row[0] == 1.0
        assert np.allclose(row[1:], -solve_toeplitz(r[:-1], r[1:]), atol=1e-9)


def test_errors_are_what_the_polynomials_leave() -> None:
    sound = speech(0.3)
    result = lpc.predict(sound, RATE, order=8)
    padded = np.pad(sound.astype(np.float64), 8)
    for n in [0, 5, 239, 240, 3000, len(sound) - 1]:
        taps = result.polynomials[n // result.hop]
        forward = sum(taps[k] * padded[n + 8 - k] for k in range(9))
        backward = sum(taps[k] * padded[n + 8 + k] for k in range(9))
        # Single precision: 1e-6 of full scale.
        assert result.forward[n] == pytest.approx(forward, abs=1e-6)
        assert result.backward[n] == pytest.approx(backward, abs=1e-6)


def test_an_autoregressive_process_leaves_its_innovation() -> None:
    drive = 0.01 * np.random.default_rng(1).standard_normal(RATE)
    sound = lfilter([1.0], [1.0, -1.6, 0.8], drive)
    error = lpc.predict(sound, RATE, order=2).forward
    # The 40-ms estimate of the model is off by about sqrt(order / 960) = 5 %.
    assert np.std(error - drive) < 0.15 * np.std(drive)


def test_silence_and_a_tone_are_predicted() -> None:
    assert np.array_equal(lpc.predict(np.zeros(5000), RATE).forward, np.zeros(5000, np.float32))
    tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    assert np.max(np.abs(lpc.predict(tone, RATE).forward[1000:-1000])) < 1e-3


def test_the_number_of_frames_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = speech(1.0)
    whole = lpc.predict(sound, RATE)
    monkeypatch.setattr(lpc, "BLOCK_FRAMES", 7)
    pieces = lpc.predict(sound, RATE)
    assert np.allclose(whole.forward, pieces.forward, atol=1e-6)
    assert np.allclose(whole.backward, pieces.backward, atol=1e-6)


def test_side_peaks_against_a_plain_search() -> None:
    values = np.abs(white(1003, 3))
    found = side_peaks(values, block=12, core=4, reach=40)
    blocks = [values[i : i + 12].max() for i in range(0, len(values), 12)]
    for i in range(len(blocks)):
        before = [blocks[j] for j in range(max(i - 41, 0), max(i - 4, 0))]
        after = [blocks[j] for j in range(i + 5, min(i + 42, len(blocks)))]
        assert found[0, i] == max(before, default=0.0)
        assert found[1, i] == max(after, default=0.0)


def test_local_maxima_against_a_plain_search() -> None:
    values = np.abs(white(2000, 4))
    plain = [n for n in range(2000) if values[n] >= 0.15 and values[n] == values[max(n - 60, 0) : n + 61].max()]
    assert local_maxima(values, 0.15, 60).tolist() == plain
    assert plain
