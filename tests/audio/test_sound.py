"""Sounds read piece by piece: the same samples, figures and pops as in one piece, and in bounded memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.audio_helpers import RATE, loud_places, speech, white
from tests.peak_memory import needs_proc, peak_mib
from ttsctl.audio import metrics, overview, sound, spikes
from ttsctl.audio.bench import without_packet_ends
from ttsctl.audio.lag.path import find_lag_path
from ttsctl.audio.overview import overview_of
from ttsctl.audio.pop_alignment import search_pops
from ttsctl.audio.pops import seam_grids, search
from ttsctl.audio.pops.detector import detect_pops
from ttsctl.audio.sound import Signal, signal_of, sound_of, view_of
from ttsctl.audio.wav import open_audio, resample_pcm, resampled, write_wav
from ttsctl.core.errors import InputError
from ttsctl.report.pictures import envelope


def clicked(seconds: float = 20.0, seed: int = 1, count: int = 10) -> np.ndarray:
    pcm = speech(seconds, seed)
    for n in loud_places(pcm, count):
        pcm[n : n + 2] += np.array([0.4, -0.25], dtype=np.float32)
    return pcm


@pytest.fixture
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read in pieces far shorter than a test's audio, none of them a multiple of another."""
    monkeypatch.setattr(sound, "BLOCK", 7001)
    monkeypatch.setattr(sound, "PIECE", 5003)
    monkeypatch.setattr(seam_grids, "READ_AT_ONCE", 9001)
    monkeypatch.setattr(search, "SECTION_S", 0.7)


@pytest.mark.parametrize("rate", [RATE, 48_000, 44_100, 8_000])
def test_a_file_in_tiny_pieces_has_the_pops_of_the_whole(
    rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pcm = resample_pcm(clicked(12.0), RATE, rate).astype(np.float32)
    write_wav(tmp_path / "a.wav", pcm, rate)
    monkeypatch.setattr(search, "SECTION_S", 1000.0)
    whole = detect_pops(pcm, rate)
    assert whole.pops
    request.getfixturevalue("tiny_pieces")
    with open_audio(tmp_path / "a.wav") as opened:
        assert search_pops(opened).pops == whole


def test_the_seams_of_tiny_pieces_are_those_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pcm = without_packet_ends(speech(20.0, 11), 7680, 555)
    monkeypatch.setattr(search, "SECTION_S", 1000.0)
    whole = detect_pops(pcm, RATE)
    assert whole.grids and any(pop.strength_db < 0 for pop in whole.pops)
    request.getfixturevalue("tiny_pieces")
    assert detect_pops(pcm, RATE) == whole


@pytest.mark.usefixtures("tiny_pieces")
@pytest.mark.parametrize("samples", [1, 959, 4800, 60_011])
def test_the_overview_of_tiny_pieces_is_that_of_the_whole(samples: int) -> None:
    pcm = white(samples)
    found = overview_of(sound_of(pcm, RATE))
    assert found.pop_click_score == metrics.pop_click_score(pcm, RATE)
    assert list(found.spikes_s) == metrics.spike_times(pcm, RATE)
    low, high = envelope(pcm)
    assert np.array_equal(found.outline.low, low) and np.array_equal(found.outline.high, high)


def test_spikes_are_the_same_though_only_the_largest_steps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 16 bits have many equals, also at the bound."""
    pcm = (np.round(white(400_000) * 20) / 20).astype(np.float32)
    whole = metrics.spike_times(pcm, RATE)
    monkeypatch.setattr(sound, "BLOCK", 10_007)
    kept = spikes.LargestSteps(len(pcm), RATE)
    for _, block in sound_of(pcm, RATE).finite_blocks():
        kept.add(block)
        assert len(kept._size) <= kept._keep < len(pcm) / 5
    assert kept.times_s() == whole and len(whole) == spikes.SPIKES


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(48_000, 24_000), (44_100, 24_000), (24_000, 44_100), (31_999, 8_000)]
)
def test_a_resampled_piece_is_that_of_the_resampled_whole(from_rate: int, to_rate: int) -> None:
    pcm = white(50_021)
    whole = resample_pcm(pcm, from_rate, to_rate)
    signal = resampled(signal_of(pcm, from_rate), to_rate)
    assert (signal.count, signal.sample_rate) == (len(whole), to_rate)
    for start, stop in [(0, 10), (0, len(whole)), (1, 700), (7001, 7002), (len(whole) - 100, len(whole))]:
        assert np.array_equal(signal.read(start, stop), whole[start:stop])


@pytest.mark.usefixtures("tiny_pieces")
def test_a_view_slices_as_an_array() -> None:
    pcm = white(30_000)
    view = view_of(signal_of(pcm, RATE))
    for part in (slice(None), slice(5000, 20_000), slice(4990, 5010), slice(7, 7), slice(-10, None), slice(10**6)):
        assert np.array_equal(np.asarray(view[part]), pcm[part]) and len(view[part]) == len(pcm[part])
        assert np.array_equal(np.asarray(view[part][::-1]), pcm[part][::-1])
        assert np.array_equal(np.asarray(view[part][::-1][3:77]), pcm[part][::-1][3:77])


@pytest.mark.usefixtures("tiny_pieces")
def test_the_lag_of_views_is_that_of_arrays() -> None:
    a = speech(12.0)
    b = without_packet_ends(a)
    path = find_lag_path(a, b)
    assert len(path.jumps) > 30
    assert find_lag_path(view_of(signal_of(a, RATE)), view_of(signal_of(b, RATE))) == path


@pytest.mark.usefixtures("tiny_pieces")
def test_samples_that_are_no_numbers_are_counted_over_all_pieces() -> None:
    pcm = white(30_000)
    pcm[[9000, 9001, 29_000]] = np.nan
    with pytest.raises(InputError, match=r"a\.wav has 3 NaN or infinite samples \(first at sample 9000, 0\.375 s\)"):
        overview_of(sound_of(pcm, RATE, name="a.wav"))


def test_clicks_of_opposite_sign_are_found(tmp_path: Path) -> None:
    """Their mean is silence."""
    pcm = clicked(12.0, count=12)
    soundfile.write(tmp_path / "a.wav", np.stack([pcm, -pcm], axis=1), RATE, subtype="FLOAT")
    with open_audio(tmp_path / "a.wav") as opened:
        found = search_pops(opened)
        assert found.overview.cancels and found.overview.strongest == 1
        assert np.array_equal(found.overview.one_signal(opened).read(0, 1000), pcm[:1000])
    alone = detect_pops(pcm, RATE).pops
    assert len(alone) >= 10
    assert found.pops.pops == tuple(replace(pop, channels=(1, 2)) for pop in alone)


def test_pops_of_two_channels_count_once_where_they_meet() -> None:
    left, right = speech(8.0, 1), speech(8.0, 2)
    both, *own = (n for n in loud_places(np.minimum(abs(left), abs(right)), 3, level=0.02))
    left[[both, own[0]]] += 0.5
    right[[both + 20, own[1]]] += 0.5
    found = search_pops(sound_of(np.stack([left, right], axis=1), RATE)).pops.pops
    near = {n: [pop for pop in found if abs(pop.sample - n) < 48] for n in (both, *own)}
    assert [[pop.channels for pop in pops] for pops in near.values()] == [[(1, 2)], [(1,)], [(2,)]]
    assert len(found) < len(detect_pops(left, RATE).pops) + len(detect_pops(right, RATE).pops)


def test_equal_channels_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pcm = clicked(4.0, count=3)
    alone = detect_pops(pcm, RATE)
    searched: list[Signal] = []

    def noted(signal: Signal) -> search.CandidateSearch:
        searched.append(signal)
        return search.search_candidates(signal)

    monkeypatch.setattr("ttsctl.audio.pops.detector.search_candidates", noted)
    found = search_pops(sound_of(np.stack([pcm] * 3, axis=1), RATE))
    assert len(searched) == 1 and found.recording.channels == 3
    assert found.pops.pops == tuple(replace(pop, channels=(1, 2, 3)) for pop in alone.pops)
    assert found.recording.notes == ("3 equal channels, searched as one",)


def test_figures_of_several_channels_are_the_worst_ones() -> None:
    quiet, loud = 0.1 * white(20_000, 1), white(20_000, 2)
    quiet[7000] = 3.0
    found = overview_of(sound_of(np.stack([quiet, loud], axis=1), RATE))
    assert found.pop_click_score == metrics.pop_click_score(loud, RATE)
    assert found.spikes_s[0] > 0 and {6999 / RATE, 7000 / RATE} & set(found.spikes_s)
    assert found.strongest == 2 and not found.cancels
    assert len(found.outline.low) == overview.COLUMNS and found.outline.high.max() == 3.0


MEMORY = """
import sys
from pathlib import Path
from ttsctl.report.pop_align import PopAlignOptions, run_pop_align
run_pop_align(PopAlignOptions(*map(Path, sys.argv[2:])), Path(sys.argv[1]))
"""


@pytest.mark.slow
@needs_proc
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Eight minutes of two channels are 92 MB as float32."""
    minute = np.round(clicked(60.0, count=5) * 20_000).astype(np.int16)
    peaks = []
    for minutes in (1, 8):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
            for _ in range(minutes):
                file.write(np.stack([minute, -minute // 2], axis=1))
        peaks.append(peak_mib(MEMORY, tmp_path / "out", path))
    assert peaks[1] < peaks[0] + 40 and peaks[1] < 400
