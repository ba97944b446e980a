"""Periodic grids: the odds against chance by closed form and simulation, and planted grids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, chi2

from tests.audio.audio_helpers import RATE, white
from ttsctl.audio.pops.seam_grids import find_seam_grids, truncated_product
from ttsctl.audio.sound import signal_of

COUNT = 60 * RATE


def scattered(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    at = np.sort(generator.choice(COUNT, count, replace=False))
    return at, 0.7 + generator.exponential(0.3, count)


def on_grid(seed: int, period: int, phase: int, share: float) -> np.ndarray:
    grid = np.arange(phase, COUNT, period)
    return grid[np.random.default_rng(seed).random(len(grid)) < share]


def merged(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    at, ratio = (np.concatenate(values) for values in zip(*parts, strict=True))
    at, first = np.unique(at, return_index=True)
    return at, ratio[first]


def test_one_point_is_the_number_itself() -> None:
    assert truncated_product(np.array([0.003]), 1, 0.1) == pytest.approx(math.log10(0.003))


def test_without_truncation_it_is_fishers_method() -> None:
    chances = np.array([0.5, 0.01, 0.2, 0.9, 0.03])
    fisher = chi2.sf(-2 * np.log(chances).sum(), 2 * len(chances))
    assert truncated_product(chances, len(chances), 1.0) == pytest.approx(math.log10(fisher))


def test_it_is_at_least_the_binomial_tail() -> None:
    assert truncated_product(np.full(4, 0.05), 20, 0.05) > math.log10(binom.sf(3, 20, 0.05))


def test_odds_against_simulation() -> None:
    generator = np.random.default_rng(0)
    points, limit = 12, 0.2
    drawn = generator.random((200_000, points))
    products = np.where(drawn <= limit, np.log(drawn), 0.0).sum(axis=1)
    for observed in ([0.1, 0.02, 0.05], [0.2, 0.2, 0.15, 0.01], [0.01, 0.02, 0.03, 0.04]):
        share = np.mean(products <= np.log(observed).sum())
        # 200 000 draws: the share is off by less than 10 % at three standard errors down to .005.
        assert 10 ** truncated_product(np.array(observed), points, limit) == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize(("period", "phase"), [(1365, 7), (7125, 0), (7125, 6000), (15_360, 1234)])
def test_a_grid_is_found_with_period_and_phase(period: int, phase: int) -> None:
    grid = on_grid(1, period, phase, 0.6)
    at, ratio = merged(scattered(2, 2000), (grid, np.full(len(grid), 1.5)))
    grids = find_seam_grids(signal_of(white(COUNT), RATE), at, ratio)
    assert [(g.period, g.phase) for g in grids] == [(period, phase)]
    assert grids[0].log10_odds < -6
    first, last = grid.min(), grid.max()
    assert np.array_equal(grids[0].samples, np.arange(first, last + 1, period))
    assert grids[0].points == len(grids[0].samples)
    assert len(grid) <= grids[0].hits <= grids[0].points


def test_seams_in_silence_are_left_out_unless_they_show() -> None:
    grid = np.arange(0, COUNT, 7125)
    sound = white(COUNT)
    sound[COUNT // 2 :] = 0
    grid_hits = grid[grid < COUNT // 2]
    last = grid[-1]
    hits = np.append(grid_hits, last)
    grids = find_seam_grids(signal_of(sound, RATE), hits, np.full(len(hits), 2.0))
    assert np.array_equal(grids[0].samples, hits)


def test_a_grid_that_shows_rarely_is_not_filled_up() -> None:
    grid = on_grid(3, 7125, 100, 0.3)
    at, ratio = merged(scattered(4, 500), (grid, np.full(len(grid), 3.0)))
    grids = find_seam_grids(signal_of(white(COUNT), RATE), at, ratio)
    assert (grids[0].period, grids[0].phase) == (7125, 100)
    assert len(grids[0].samples) == grids[0].hits < grids[0].points


@pytest.mark.parametrize("seed", range(5))
def test_scattered_breaks_make_no_grid(seed: int) -> None:
    assert find_seam_grids(signal_of(white(COUNT), RATE), *scattered(seed, 3000)) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_too_few_breaks_make_no_grid(count: int) -> None:
    at = np.arange(count) * 7125
    assert find_seam_grids(signal_of(white(COUNT), RATE), at, np.full(count, 1.0)) == []
