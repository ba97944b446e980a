"""The detector: planted faults are found where they are, clean sound has none, and how it takes odd input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.audio.audio_helpers import RATE, loud_places, repeated, speech, white, without
from ttsctl.audio.bench import without_packet_ends
from ttsctl.audio.metrics import spike_times
from ttsctl.audio.pops import search
from ttsctl.audio.pops.detector import PERIODIC, PopReport, detect_pops
from ttsctl.audio.wav import resample_pcm
from ttsctl.core.errors import InputError

Fault = Callable[[np.ndarray, int], np.ndarray]


def with_impulse(sound: np.ndarray, n: int) -> np.ndarray:
    sound[n : n + 2] += np.array([0.25, -0.15], dtype=np.float32)
    return sound


def with_gap(sound: np.ndarray, n: int) -> np.ndarray:
    sound[n : n + 60] = 0
    return sound


def with_step(sound: np.ndarray, n: int) -> np.ndarray:
    sound[n:] += (0.2 * np.exp(-np.arange(len(sound) - n) / 1200)).astype(np.float32)
    return sound


def with_flip(sound: np.ndarray, n: int) -> np.ndarray:
    sound[n:] *= -1
    return sound


def with_repeat(sound: np.ndarray, n: int) -> np.ndarray:
    return repeated(sound, n, 250)


def with_drop(sound: np.ndarray, n: int) -> np.ndarray:
    return without(sound, n, 300)


FAULTS: list[tuple[Fault, str, float]] = [
    (with_impulse, "impulse", 0.9),
    (with_gap, "zero_gap", 0.9),
    (with_step, "dc_step", 0.9),
    (with_repeat, "repeated", 0.9),
    (with_flip, "polarity", 0.6),
    (with_drop, "dropped", 0.5),
]


@pytest.mark.parametrize(("fault", "kind", "least"), FAULTS, ids=[kind for _, kind, _ in FAULTS])
def test_planted_faults_are_found(fault: Fault, kind: str, least: float) -> None:
    """One fault a file, twenty files: the share found within 2 ms, most of them named, nothing found elsewhere."""
    found, named, elsewhere = 0, 0, 0
    clean = speech(40.0, 7)
    places = loud_places(clean, 20, level=0.06)
    assert len(places) == 20
    for place in places:
        part = clean[place - 4000 : place + 4000].copy()
        report = detect_pops(fault(part, 4000), RATE)
        near = [pop for pop in report.pops if abs(pop.sample - 4000) <= 48 + 60 * (kind == "zero_gap")]
        found += bool(near)
        named += any(pop.kind == kind for pop in near)
        elsewhere += len(report.pops) - len(near)
    assert found >= least * 20
    assert named >= 0.6 * found
    assert elsewhere <= 1


@pytest.mark.parametrize("seed", range(4))
def test_clean_speech_like_sound_has_no_pops(seed: int) -> None:
    report = detect_pops(speech(20.0, seed), RATE)
    assert report == PopReport(())


def test_noise_tones_and_silence_have_no_pops() -> None:
    t = np.arange(4 * RATE) / RATE
    pitch = np.cumsum(100 + 2000 * t) / RATE
    sounds = [white(len(t)), np.zeros(len(t)), 0.4 * np.sin(2 * np.pi * 220 * t), 0.4 * np.sin(2 * np.pi * pitch)]
    sounds[2][:240] *= np.linspace(0, 1, 240)
    for sound in sounds:
        assert detect_pops(sound.astype(np.float32), RATE).pops == ()


def test_seams_of_lossy_packets_are_reported_with_period_and_phase() -> None:
    report = detect_pops(without_packet_ends(speech(20.0, 11), 7680, 555), RATE)
    (grid,) = report.grids
    assert (grid.period_samples, grid.phase_samples, grid.period_s) == (7125, 0, 0.296875)
    assert grid.log10_chance < -10
    seams = [pop for pop in report.pops if pop.kind == PERIODIC]
    assert len(seams) >= 0.8 * (20 * RATE // 7680)
    assert all(pop.sample % 7125 == 0 for pop in seams)


def test_polarity_and_length_of_the_sections_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = speech(25.0, 2)
    for n in loud_places(sound, 8):
        sound = with_impulse(sound, n)
    report = detect_pops(sound, RATE)
    assert len(report.pops) >= 7
    assert detect_pops(-sound, RATE) == report
    monkeypatch.setattr(search, "SECTION_S", 3.0)
    again = detect_pops(sound, RATE)
    assert [(p.sample, p.kind, p.strength_db) for p in again.pops] == [
        (p.sample, p.kind, p.strength_db) for p in report.pops
    ]
    # Running sums start elsewhere: the last bits of the evidence differ.
    assert np.allclose([p.confidence for p in again.pops], [p.confidence for p in report.pops], atol=1e-3)


def test_sixteen_bits_make_no_difference_to_loud_pops() -> None:
    sound = speech(10.0, 3)
    places = loud_places(sound, 6)
    for n in places:
        sound = with_impulse(sound, n)
    coarse = (np.round(sound * 32768) / 32768).astype(np.float32)
    fine, rough = detect_pops(sound, RATE), detect_pops(coarse, RATE)
    assert [pop.sample for pop in fine.pops] == [pop.sample for pop in rough.pops]


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_other_rates_are_searched_with_a_note(rate: int) -> None:
    sound = resample_pcm(speech(10.0, 4), RATE, rate).astype(np.float32)
    clean = detect_pops(sound, rate)
    assert clean.pops == ()
    assert f"{rate} Hz" in clean.notes[0]
    n = loud_places(sound, 1, margin=rate)[0]
    sound[n] += 0.5
    (pop,) = detect_pops(sound, rate).pops
    assert abs(pop.time_s - n / rate) <= 0.002
    assert pop.sample == pytest.approx(pop.time_s * rate, abs=2)


@pytest.mark.parametrize("samples", [0, 1, 959])
def test_audio_shorter_than_a_window_gives_a_note_and_no_pops(samples: int) -> None:
    report = detect_pops(white(samples), RATE)
    assert report.pops == ()
    assert "shorter than one analysis window (40 ms): not searched" in report.notes[0]
    assert detect_pops(white(960), RATE).notes == ()


def test_non_finite_audio_is_refused() -> None:
    sound = speech(1.0)
    sound[100] = np.nan
    with pytest.raises(InputError, match="1 samples are NaN"):
        detect_pops(sound, RATE)


def test_the_threshold_only_drops_pops() -> None:
    sound = without_packet_ends(speech(20.0, 5), 9000, 700)[: 10 * RATE]
    low, high = (detect_pops(sound, RATE, threshold) for threshold in (0.2, 0.95))
    alone = [{p.sample for p in report.pops if p.kind != PERIODIC} for report in (low, high)]
    assert alone[1] <= alone[0]
    assert all(0 <= pop.confidence <= 1 for pop in low.pops)


def test_spikes_against_a_plain_search() -> None:
    sound = speech(10.0, 6)
    step = [abs(float(sound[n + 1]) - float(sound[n])) for n in range(len(sound) - 1)]
    limit = float(np.percentile(step, 99.9))
    taken: list[int] = []
    for n in sorted(range(len(step)), key=lambda n: (-step[n], n)):
        if step[n] >= limit and len(taken) < 20 and all(abs(n - m) >= 1200 for m in taken):
            taken.append(n)
    assert spike_times(sound, RATE) == [n / RATE for n in sorted(taken)]
    assert len(taken) > 5


@pytest.mark.parametrize("samples", [0, 1, 2, 100])
def test_silence_has_no_spikes(samples: int) -> None:
    assert spike_times(np.zeros(samples), RATE) == []
