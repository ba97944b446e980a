"""The lag path: exact to the sample where the audio is the same, sound with noise, and silent about unrelated audio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import firwin, lfilter

from tests.audio.audio_helpers import RATE, loud_places, repeated, speech, white, without
from ttsctl.audio.bench import without_packet_ends
from ttsctl.audio.lag.block_correlation import BLOCK, Band, compare_blocks, emphasised, likely_lags
from ttsctl.audio.lag.path import LagJump, LagPath, find_lag_path
from ttsctl.audio.lag.track import Segment


def seam_jumps(samples: int, packet: int, lost: int) -> list[LagJump]:
    return [LagJump(k * packet - lost, -lost) for k in range(1, samples // packet + 1)]


@pytest.mark.parametrize(("packet", "lost"), [(7680, 555), (1920, 555), (15_360, 555), (7680, 31), (7680, 1920)])
def test_samples_lost_at_every_seam_are_found_exactly(packet: int, lost: int) -> None:
    # Speech over a floor of noise, as a decoder leaves it: no two stretches are equal.
    a = speech(20.0, 1)
    path = find_lag_path(a, without_packet_ends(a, packet, lost))
    expected = seam_jumps(len(a), packet, lost)
    # The last loss has nothing after it to show by.
    last_seen = [jump for jump in expected if jump.sample + lost + 1024 <= len(a)]
    assert list(path.jumps)[: len(last_seen)] == last_seen
    assert len(path.jumps) - len(last_seen) <= 1
    assert path.alignable
    # A block in which a jump lies agrees with neither lag; a packet of 1920 samples has ten others.
    assert path.coverage > (0.93 if packet == 1920 else 0.95)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_any_cuts_and_insertions_are_found_exactly(seed: int) -> None:
    """Drawn edits, 0.4 to 1.5 s apart: B loses samples, or gains samples of noise."""
    generator = np.random.default_rng(seed)
    a = speech(8.0, seed % 5)
    expected, pieces, at = [], [], 0
    place = int(generator.integers(9000, 20_000))
    while place < len(a) - 12_000:
        pieces.append(a[at:place])
        change = int(generator.integers(20, 2000)) * int(generator.choice([-1, 1]))
        if change > 0:
            pieces.append(white(change, seed, 0.05))
        expected.append(LagJump(place, change))
        at = place - min(change, 0)
        place = at + int(generator.integers(9600, 36_000))
    b = np.concatenate([*pieces, a[at:]])
    found = find_lag_path(a, b).jumps
    assert [jump.samples for jump in found] == [jump.samples for jump in expected]
    # What follows a cut may go on like what was cut for a moment: 1 of 160 seeds was 2 samples off, no other over 1.
    assert all(abs(f.sample - e.sample) <= 2 for f, e in zip(found, expected, strict=True))


def test_equal_audio_has_no_jumps_and_a_changed_one_does() -> None:
    a = speech(8.0, 2)
    same = find_lag_path(a, a)
    assert (same.segments, same.coverage) == ((Segment(0, len(a), 0),), 1.0)
    assert find_lag_path(a, without(a, 90_000, 1)).jumps[0].samples == -1


def test_a_lead_is_a_jump_at_the_start() -> None:
    a = speech(6.0, 3)
    late = find_lag_path(a, np.concatenate([np.zeros(5000, np.float32), a]))
    assert (late.jumps, late.initial_lag) == ((LagJump(0, 5000),), 5000)
    early = find_lag_path(a, a[3000:])
    assert [jump.samples for jump in early.jumps] == [-3000]
    far = find_lag_path(a, np.concatenate([white(20 * RATE, 8), a]))
    assert [jump.samples for jump in far.jumps] == [20 * RATE]


def test_repeated_samples_are_samples_gained() -> None:
    a = speech(6.0, 4)
    n = loud_places(a, 1)[0]
    path = find_lag_path(a, repeated(a, n, 700))
    # The copy fits before n as well as after it: the last of the equal places is n itself.
    assert path.jumps == (LagJump(n, 700),)


@pytest.mark.parametrize("gain", [0.5, 1.3, -1.0])
def test_noise_gain_and_sign_move_a_jump_by_little(gain: float) -> None:
    a = speech(12.0, 5)
    b = without_packet_ends(a)
    b = (gain * b + white(len(b), 1, 2e-4)).astype(np.float32)
    expected = seam_jumps(len(a), 7680, 555)
    found = find_lag_path(a, b)
    close = [e for e in expected if any(f.samples == e.samples and abs(f.sample - e.sample) <= 5 for f in found.jumps)]
    assert len(close) >= 0.7 * len(expected)
    assert abs(found.segments[-1].lag - expected[-1].samples * len(expected)) <= 555


def voice_without_pauses(seed: int, low_hz: float, high_hz: float, voiced: float = 1.0) -> np.ndarray:
    """10 s (N,) float32, peak 0.5, nothing above 4 kHz: pulses of a wandering, jittered pitch, or breath where 0."""
    generator = np.random.default_rng(seed)
    count = 10 * RATE
    pitch = np.interp(np.arange(count), np.arange(0, count + 4800, 4800), generator.uniform(low_hz, high_hz, 51))
    pulses = np.diff(np.floor(np.cumsum(pitch / RATE)), prepend=0.0) * generator.uniform(0.7, 1.3, count)
    sound = lfilter([1.0], [1, -0.9], voiced * pulses + (0.02 if voiced else 1.0) * generator.standard_normal(count))
    for frequency, width in ((500, 90), (1500, 120), (2500, 180)):
        radius = np.exp(-np.pi * width / RATE)
        sound = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], sound)
    sound = lfilter(firwin(101, 4000, fs=RATE), [1.0], sound)
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)


# Voices that lean on nothing that one synthesiser has: no pauses, no steady pitch, no high frequencies.
VOICES = {"gliding": (80, 350, 1.0), "creaky": (30, 60, 1.0), "unvoiced": (100, 200, 0.0)}
# As loud as each voice can bear (RMS): pre-emphasis raises it above what the voice has at high frequencies.
NOISE = {"gliding": 0.01, "creaky": 0.003, "unvoiced": 0.02}


@pytest.mark.parametrize("lost", [37, 480, 555])
@pytest.mark.parametrize("voice", VOICES)
def test_lost_samples_are_found_under_noise_in_any_voice(voice: str, lost: int) -> None:
    a = voice_without_pauses(1, *VOICES[voice])
    b = without_packet_ends(a, 7680, lost)
    path = find_lag_path(a, 0.8 * b + white(len(b), 2, NOISE[voice]))
    assert path.alignable
    kept = np.array([n for n in range(2000, len(a) - 4000, 100) if n % 7680 < 7680 - lost])
    apart = np.abs(path.to_b(kept) - (kept - kept // 7680 * lost))
    # 2 ms is the tolerance at which pops match.
    assert np.mean(apart <= 48) > 0.97


@pytest.mark.parametrize("voice", VOICES)
def test_another_recording_of_the_voice_is_not_alignable_under_noise(voice: str) -> None:
    a, b = (voice_without_pauses(seed, *VOICES[voice]) for seed in (1, 5))
    path = find_lag_path(a, b + white(len(b), 2, NOISE[voice]))
    assert not path.alignable
    # The voice holds one vowel, and much of a vowel resembles itself under noise.
    assert path.coverage < 0.4


def test_a_low_band_has_less_noise_and_keeps_the_sound_in_place() -> None:
    a = voice_without_pauses(3, *VOICES["gliding"])
    noisy = a + white(len(a), 4, NOISE["gliding"])
    by_band = {band: compare_blocks(a, noisy, 24_000, 0, 200, band=band).correlation.mean() for band in Band}
    assert by_band[Band.THIRD] > by_band[Band.FULL] + 0.1
    # The filter delays nothing, at the ends of the signal neither, and blocks cut anywhere are the same.
    whole = emphasised(a, 0, len(a), Band.THIRD)
    assert np.allclose(whole[5000:6000], emphasised(a, 5000, 6000, Band.THIRD), atol=1e-12)
    full = emphasised(a, 0, len(a))
    assert np.corrcoef(whole, full)[0, 1] > max(np.corrcoef(whole[1:], full[:-1])[0, 1], 0.9)


def test_pops_and_flips_in_one_of_them_are_no_jumps() -> None:
    a = speech(10.0, 6)
    b = a.copy()
    for n in loud_places(a, 12):
        b[n] += 0.5
    b[100_000:102_000] *= -1
    assert find_lag_path(a, b).jumps == ()


@pytest.mark.parametrize("seconds", [3.0, 20.0])
def test_unrelated_audio_is_not_alignable(seconds: float) -> None:
    for other in (speech(seconds, 101), white(round(seconds * RATE)), np.zeros(round(seconds * RATE), np.float32)):
        path = find_lag_path(speech(seconds, 100), other)
        assert not path.alignable
        assert path.coverage < 0.2


@pytest.mark.parametrize("samples", [1, 100, 2000])
def test_short_or_silent_audio_is_not_alignable(samples: int) -> None:
    assert not find_lag_path(np.zeros(samples, np.float32), np.zeros(samples, np.float32)).alignable
    assert not find_lag_path(speech(3.0), np.zeros(samples, np.float32)).alignable
    assert not find_lag_path(np.zeros(samples, np.float32), speech(3.0)).alignable


def test_half_of_the_audio_replaced_lowers_the_coverage() -> None:
    a = speech(16.0, 7)
    b = a.copy()
    b[: len(b) // 2] = speech(8.0, 55)
    path = find_lag_path(a, b)
    assert path.coverage == pytest.approx(0.5, abs=0.1)
    assert {segment.lag for segment in path.segments if segment.start > len(a) // 2} <= {0}


def test_times_map_through_losses() -> None:
    path = LagPath((Segment(0, 100, 0), Segment(130, 200, -30), Segment(200, 300, 20)), 1.0)
    mapped = path.to_b(np.array([0, 99, 100, 129, 130, 199, 200, 299, 350]))
    assert np.array_equal(mapped, [0, 99, np.nan, np.nan, 100, 169, 220, 319, 370], equal_nan=True)
    assert path.jumps == (LagJump(100, -30), LagJump(200, 50))
    # Nothing agrees between 100 and 200, but nothing is lost there: the nearer segment decides.
    gap = LagPath((Segment(0, 100, 5), Segment(200, 300, 9)), 1.0)
    assert gap.to_b(np.array([120, 180])).tolist() == [125, 189]
    assert np.isnan(LagPath((), 0.0).to_b(np.array([1.0]))).all()


def test_blocks_against_plain_correlation() -> None:
    a, b = speech(1.0, 8), white(RATE, 9)
    b[500:] += 0.5 * a[:-500]
    blocks = compare_blocks(a, b, 8000, 500, 6)
    x, y = (np.append(s[0], s[1:] - 0.95 * s[:-1]).astype(np.float64) for s in (a.astype(np.float64), b.astype(float)))
    for k in range(6):
        u = x[8000 + k * BLOCK : 8000 + (k + 1) * BLOCK]
        v = y[8500 + k * BLOCK : 8500 + (k + 1) * BLOCK]
        correlation = abs(u @ v) / np.sqrt((u @ u) * (v @ v))
        assert blocks.correlation[k] == pytest.approx(correlation, abs=1e-9)
        assert blocks.unexplained[k] == pytest.approx(np.mean((u - (u @ v) / (v @ v) * v) ** 2), rel=1e-6)


def test_emphasis_is_zero_outside_the_signal() -> None:
    signal = np.array([1.0, 2.0])
    assert np.allclose(emphasised(signal, -2, 4), [0, 0, 1, 1.05, -1.9, 0])


def test_the_likeliest_lag_is_the_best_of_all_by_plain_search() -> None:
    a = speech(2.0, 10)
    start = loud_places(a, 1)[0]
    b = np.concatenate([white(700, 1, 0.01), a]).astype(np.float32)
    assert likely_lags(a, b, start, 1024, (-2000, 2000), 3)[0] == 700
    assert likely_lags(a, b, start, 1024, (10**7, 10**7 + 5), 3) == []
