"""Each figure against a slow, plain version of its definition, and against audio where the answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.audio import metrics

RATE = 24_000


def noise(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def plain_percentile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    position = q / 100 * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def plain_rms(values: list[float]) -> float:
    return math.sqrt(math.fsum(v * v for v in values) / len(values))


def plain_pop_click_score(pcm: list[float], rate: int) -> float | None:
    size = round(rate * 0.02)
    levels = [plain_rms(pcm[i : i + size]) for i in range(0, len(pcm) - size + 1, size)]
    steps = [abs(y - x) for x, y in itertools.pairwise(levels)]
    return plain_percentile(steps, 95) if steps else None


def plain_repeat_count(pcm: list[float], rate: int) -> int:
    size = round(rate * 0.5)
    windows = [pcm[i : i + size] for i in range(0, len(pcm) - size + 1, size)]
    count = 0
    for x, y in itertools.pairwise(windows):
        mx, my = math.fsum(x) / size, math.fsum(y) / size
        xy = math.fsum((p - mx) * (q - my) for p, q in zip(x, y, strict=True))
        xx, yy = math.fsum((p - mx) ** 2 for p in x), math.fsum((q - my) ** 2 for q in y)
        if xx > 0 and yy > 0 and xy / math.sqrt(xx * yy) >= 0.995:
            count += 1
    return count


def plain_align(a: list[float], b: list[float], limit: int) -> int:
    """Best offset by the definition: sum of a[n] b[n + k], every k, at least half of the shorter in common."""
    scores: dict[int, float] = {}
    for k in range(-limit, limit + 1):
        pairs = [(n, n + k) for n in range(len(a)) if 0 <= n + k < len(b)]
        if 2 * len(pairs) >= min(len(a), len(b)):
            scores[k] = math.fsum(a[n] * b[m] for n, m in pairs)
    return max(scores, key=lambda k: scores[k])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0, 5, 50, 95, 99.9, 100]))
def test_percentile_against_plain(values: list[float], q: float) -> None:
    assert metrics.percentile(values, q) == pytest.approx(plain_percentile(values, q), rel=1e-9, abs=1e-6)


def test_percentile_of_nothing_is_missing() -> None:
    assert metrics.percentile([], 50) is None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1200), st.integers(0, 1000))
def test_level_and_roughness_against_plain(samples: int, seed: int) -> None:
    rate = 2_000  # 40-sample frames keep the plain version quick
    pcm = noise(samples, seed) * np.linspace(0, 1, samples, dtype=np.float32)
    values = [float(v) for v in pcm]
    assert metrics.rms(pcm) == pytest.approx(plain_rms(values), rel=1e-12)
    assert metrics.peak(pcm) == max(abs(v) for v in values)
    expected = plain_pop_click_score(values, rate)
    if expected is None:
        assert metrics.pop_click_score(pcm, rate) is None
    else:
        assert metrics.pop_click_score(pcm, rate) == pytest.approx(expected, rel=1e-9)


def test_pop_click_score_sees_a_level_step() -> None:
    """Frames of level 0.1 and 0.3 in turn: every difference is 0.2. The negative control, a constant, has none."""
    step = np.repeat(np.tile([0.1, 0.3], 10), 480).astype(np.float32)
    assert metrics.pop_click_score(step, RATE) == pytest.approx(0.2, rel=1e-6)
    assert metrics.pop_click_score(np.full(9600, 0.1, np.float32), RATE) == 0.0


def test_pop_click_score_needs_two_frames() -> None:
    assert metrics.pop_click_score(noise(959), RATE) is None
    assert metrics.pop_click_score(noise(960), RATE) is not None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=0, max_size=6), st.integers(0, 99))
def test_repeat_count_against_plain(blocks: list[int], extra: int) -> None:
    rate = 200
    sources = [noise(100, seed) for seed in range(3)]
    pcm = np.concatenate([sources[i] for i in blocks] + [noise(extra, 9)])
    assert metrics.repeat_count(pcm, rate) == plain_repeat_count([float(v) for v in pcm], rate)


def test_repeat_count_counts_repeats_and_not_silence() -> None:
    half = noise(RATE // 2, 1)
    assert metrics.repeat_count(np.concatenate([half, half, half]), RATE) == 2
    assert metrics.repeat_count(np.concatenate([half, half + noise(RATE // 2, 2, 0.05)]), RATE) == 0
    assert metrics.repeat_count(np.zeros(3 * RATE, np.float32), RATE) == 0
    assert metrics.repeat_count(noise(100), RATE) == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(40, 90), st.integers(40, 90), st.integers(-15, 15), st.integers(0, 1000))
def test_align_against_plain(a_samples: int, b_samples: int, shift: int, seed: int) -> None:
    source = noise(140, seed)
    a, b = source[20 : 20 + a_samples], source[20 - shift : 20 - shift + b_samples]
    found = metrics.align_waveforms(a, b, 1000, max_offset_ms=18)
    assert found is not None
    assert found.offset == plain_align([float(v) for v in a], [float(v) for v in b], 18)


@pytest.mark.parametrize("late", [0, 1, 480, 7_200])
def test_mae_aligned_undoes_a_shift_and_says_which(late: int) -> None:
    a = noise(2 * RATE, 3)
    b = np.concatenate([np.zeros(late, np.float32), a])
    result = metrics.mae_aligned(a, b, RATE)
    assert result is not None
    assert (result.mae, result.alignment.offset) == (0.0, late)
    assert result.alignment.offset_ms == pytest.approx(1000 * late / RATE)
    back = metrics.mae_aligned(b, a, RATE)
    assert back is not None
    assert (back.mae, back.alignment.offset) == (0.0, -late)


def test_mae_aligned_cannot_undo_more_than_its_limit() -> None:
    a = noise(3 * RATE, 3)
    b = np.concatenate([np.zeros(12_001, np.float32), a])
    result = metrics.mae_aligned(a, b, RATE)
    assert result is not None
    assert result.mae > 0.05


def test_mae_aligned_is_the_mean_absolute_difference() -> None:
    a = noise(RATE, 4)
    b = a + np.where(np.arange(RATE) % 2 == 0, 0.01, -0.03).astype(np.float32)
    result = metrics.mae_aligned(a, b, RATE)
    assert result is not None
    assert result.alignment.offset == 0
    assert result.mae == pytest.approx(0.02, rel=1e-6)


def test_silence_and_periodic_sound_align_at_zero() -> None:
    silence = np.zeros(RATE, np.float32)
    tone = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    for pcm in (silence, tone):
        found = metrics.align_waveforms(pcm, pcm, RATE)
        assert found is not None
        assert found.offset == 0


def test_snr_of_known_noise() -> None:
    a = np.tile([0.5, -0.5], 6000).astype(np.float32)
    at = metrics.align_waveforms(a, a, RATE)
    assert at is not None
    # The difference is a tenth of the signal in every sample: 20 dB.
    assert metrics.snr_db(a, a * np.float32(0.9), at) == pytest.approx(20.0, abs=1e-4)


def test_snr_counts_what_only_one_has_as_difference() -> None:
    """Half of the energy is missing: 10 log10(1 / 0.5) dB, in either direction a figure no gate of 15 dB passes."""
    a = np.tile([0.5, -0.5], 6000).astype(np.float32)
    at = metrics.align_waveforms(a, a[:6000], RATE)
    assert at is not None
    assert metrics.snr_db(a, a[:6000], at) == pytest.approx(3.0103, abs=1e-3)
    at = metrics.align_waveforms(a[:6000], a, RATE)
    assert at is not None
    assert metrics.snr_db(a[:6000], a, at) == pytest.approx(0.0, abs=1e-6)


def test_snr_of_equal_audio_is_the_cap_and_of_silence_missing() -> None:
    a = noise(RATE)
    at = metrics.align_waveforms(a, a, RATE)
    assert at is not None
    assert metrics.snr_db(a, a, at) == metrics.SNR_CAP_DB
    assert metrics.snr_db(np.zeros_like(a), a, at) is None
    # One float32 rounding step everywhere stays near the cap, so the cap hides nothing one could hear.
    rounded = np.nextafter(a, np.float32(2), dtype=np.float32)
    snr = metrics.snr_db(a, rounded, at)
    assert snr is not None and 130 < snr <= metrics.SNR_CAP_DB


@pytest.mark.parametrize(
    ("pcm", "why"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.array([0.1, np.nan, np.inf], np.float32), "2 samples are NaN or infinite"),
    ],
)
def test_unmeasurable_audio_gives_nothing(pcm: np.ndarray, why: str) -> None:
    assert metrics.why_unmeasurable(pcm) == why
    assert metrics.rms(pcm) is None
    assert metrics.peak(pcm) is None
    assert metrics.pop_click_score(pcm, RATE) is None
    assert metrics.align_waveforms(pcm, noise(10), RATE) is None
    assert metrics.mae_aligned(noise(10), pcm, RATE) is None


def test_repeat_count_of_non_finite_audio_is_missing() -> None:
    assert metrics.repeat_count(np.array([np.nan], np.float32), RATE) is None


def test_why_unmeasurable_of_good_audio() -> None:
    assert metrics.why_unmeasurable(noise(10)) is None
    assert metrics.is_finite(noise(10))
    assert not metrics.is_finite(np.array([np.inf], np.float32))
