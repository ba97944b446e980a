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
        taps = result.polynomials[result.frames[n]]
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
    found = side_peaks(values, core=5, reach=40)
    for n in range(len(values)):
        assert found[0, n] == max(values[max(n - 40, 0) : max(n - 5, 0)], default=0.0)
        assert found[1, n] == max(values[n + 6 : n + 41], default=0.0)


@pytest.mark.parametrize("cut", [1, 555, 1000])
def test_frames_and_errors_move_with_the_signal(cut: int) -> None:
    sound = speech(2.0)
    whole, rest = lpc.predict(sound, RATE), lpc.predict(sound[cut:], RATE)
    clear = 2000
    centres = lpc.frame_centres(sound, RATE)
    assert np.array_equal(
        centres[centres > cut + clear], [n + cut for n in lpc.frame_centres(sound[cut:], RATE) if n > clear]
    )
    assert np.allclose(whole.forward[cut + clear :], rest.forward[clear:], atol=1e-6)
    assert np.allclose(whole.backward[cut + clear :], rest.backward[clear:], atol=1e-6)


def test_frames_lie_at_most_a_hop_apart_and_silence_has_some_too() -> None:
    for sound in (speech(2.0), white(5000), np.zeros(5000), np.r_[np.zeros(9000), white(3000), np.zeros(9000)]):
        centres = lpc.frame_centres(sound, RATE)
        assert np.all(np.diff(centres) > 0)
        assert np.diff(np.r_[0, centres, len(sound)]).max() <= 480
    assert np.diff(lpc.frame_centres(speech(2.0), RATE)).max() <= 240


def test_local_maxima_against_a_plain_search() -> None:
    values = np.abs(white(2000, 4))
    plain = [n for n in range(2000) if values[n] >= 0.15 and values[n] == values[max(n - 60, 0) : n + 61].max()]
    assert local_maxima(values, 0.15, 60).tolist() == plain
    assert plain
