"""Exact repeats and gaps: planted ones are found where they are, speech and tones have none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.audio_helpers import RATE, loud_places, repeated, speech, white
from ttsctl.audio.pops.repeats_and_gaps import exact_repeats, gap_isolation_db, gap_starts


@settings(max_examples=30, deadline=None)
@given(length=st.integers(60, 1500), seed=st.integers(0, 50))
def test_a_repeat_is_found_with_its_length(length: int, seed: int) -> None:
    sound = white(12_000, seed)
    found = exact_repeats(repeated(sound, 6000, length))
    assert found == [(6000, length)]


def test_a_repeat_in_sixteen_bits() -> None:
    sound = np.round(speech() * 32768) / 32768
    at = loud_places(sound, 1)[0]
    start, length = exact_repeats(repeated(sound, at, 300))[0]
    # Coarse samples may agree with their neighbours by chance.
    assert (abs(start - at) <= 3, length) == (True, 300)


@pytest.mark.parametrize("name", ["speech", "noise", "tone", "silence", "steps"])
def test_sound_without_repeats_has_none(name: str) -> None:
    n = np.arange(3 * RATE)
    sounds = {
        "speech": speech(3.0),
        "noise": white(len(n)),
        "tone": np.sin(2 * np.pi * (n % 240) * 41 / 240).astype(np.float32),
        "silence": np.zeros(len(n), np.float32),
        "steps": np.round(3 * np.sin(2 * np.pi * n / 777)) / 32768,
    }
    assert exact_repeats(sounds[name]) == []


def test_a_stored_sound_that_comes_a_third_time_is_no_repeat() -> None:
    sound, loop = white(20_000), white(400, 9)
    sound[3000:3800] = np.tile(loop, 2)
    assert exact_repeats(sound) == [(3400, 400)]
    nearby, far = sound.copy(), sound.copy()
    nearby[6000:6400] = loop
    assert exact_repeats(nearby) == []
    # What is a repeat must not depend on what stands in another section of the search.
    far[15_000:15_400] = loop
    assert exact_repeats(far) == [(3400, 400)]


@pytest.mark.parametrize("length", [12, 30, 60, 120])
@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_a_gap_is_found_where_it_begins(length: int, noise: float) -> None:
    sound = speech(seed=3).astype(np.float64)
    at = loud_places(sound, 4, level=0.1)
    for n in at:
        sound[n : n + length] = 0
    sound += noise * np.random.default_rng(0).standard_normal(len(sound))
    found = gap_starts(sound, RATE)
    hits = [n for n in at if np.any(np.abs(found - n) <= 6)]
    assert len(hits) >= 3
    assert len(found) <= 5


def test_speech_and_noise_have_no_gaps() -> None:
    assert len(gap_starts(speech(20.0, 5).astype(np.float64), RATE)) == 0
    assert len(gap_starts(white(RATE).astype(np.float64), RATE)) == 0
    assert len(gap_starts(np.zeros(RATE), RATE)) == 0


def test_loneliness_is_the_ratio_of_the_two_quietest_stretches() -> None:
    sound = white(4000).astype(np.float64)
    sound[2000:2020] *= 1e-3
    result = gap_isolation_db(sound, np.array([2000]), RATE)[0]
    quiet = [np.mean(sound[n : n + 10] ** 2) for n in range(len(sound) - 10)]
    inside = min(quiet[2000 - 24 : 2000 + 24])
    outside = min(min(quiet[2000 - 600 : 2000 - 144]), min(quiet[2000 + 144 : 2000 + 600]))
    assert result == pytest.approx(10 * np.log10(outside / inside))
