"""The log-spectral distance: 0 for equal audio, the gain in dB for louder audio, None where nothing can be measured."""

from __future__ import annotations

import numpy as np
import pytest

from ttsctl.audio.spectral_distance import FLOOR_DB, log_spectral_distance_db

NOISE = np.random.default_rng(0).standard_normal(24_000) / 10


def test_equal_and_louder_audio() -> None:
    assert log_spectral_distance_db(NOISE, NOISE) == 0
    assert log_spectral_distance_db(NOISE, 10 * NOISE) == pytest.approx(20, abs=0.1)
    found = log_spectral_distance_db(NOISE, np.zeros(24_000))
    assert found is not None and 0 < found <= FLOOR_DB


@pytest.mark.parametrize("a", [np.zeros(24_000), NOISE[:1000], np.full(24_000, np.nan)])
def test_nothing_to_measure(a: np.ndarray) -> None:
    assert log_spectral_distance_db(a, NOISE) is None
