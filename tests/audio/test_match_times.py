"""One-to-one matching against all possibilities, and the chance rate against a simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.audio.match_times import ROUNDING_S, chance_rate, match_times

TIMES = st.lists(st.integers(0, 30), max_size=5).map(lambda values: [v / 1000 for v in values])


def best_by_trial(a: list[float], b: list[float], tolerance: float) -> tuple[int, float]:
    """Most pairs, then least distance, over every one-to-one assignment."""
    small, large = (a, b) if len(a) <= len(b) else (b, a)
    best = (0, 0.0)
    for chosen in itertools.permutations(range(len(large)), len(small)):
        distances = [abs(small[i] - large[j]) for i, j in enumerate(chosen)]
        within = [d for d in distances if d <= tolerance + 1e-6]
        best = max(best, (len(within), -sum(within)))
    return best


@settings(max_examples=150, deadline=None)
@given(a=TIMES, b=TIMES)
def test_matching_is_the_best_of_all(a: list[float], b: list[float]) -> None:
    found = match_times(a, b, 0.002)
    distances = [abs(a[i] - b[j]) for i, j in found.pairs]
    count, cost = best_by_trial(a, b, 0.002)
    assert len(found.pairs) == count
    assert -sum(distances) == pytest.approx(cost, abs=1e-9)
    assert len({i for i, _ in found.pairs}) == len({j for _, j in found.pairs}) == count


def test_rates_are_shares_of_each_side() -> None:
    found = match_times([1.0, 2.0, 3.0, 4.0], [2.001, 9.0])
    assert (found.a_to_b, found.b_to_a) == (0.25, 0.5)
    assert found.pairs == ((1, 0),)


def test_nothing_to_match_has_no_rate() -> None:
    found = match_times([], [1.0])
    assert (found.a_to_b, found.b_to_a) == (None, 0.0)
    assert match_times([], []).a_to_b is None


def test_lost_times_match_nothing() -> None:
    assert match_times([np.nan, 1.0], [1.0, 1.001]).pairs == ((1, 0),)


def test_the_edge_of_the_tolerance_counts() -> None:
    assert len(match_times([1.0], [1.002]).pairs) == 1
    assert len(match_times([1.0], [1.0021]).pairs) == 0


def test_chance_against_a_simulation() -> None:
    generator = np.random.default_rng(0)
    rates = []
    for _ in range(40):
        a, b = generator.uniform(0, 60, 300), generator.uniform(0, 60, 1200)
        near = np.abs(a[:, None] - b[None, :]).min(axis=1) <= 0.002 + ROUNDING_S
        rates.append(near.mean())
        assert (match_times(a, b).a_to_b or 0) <= near.mean() + 1e-9
    assert chance_rate(1200, 60.0) == pytest.approx(np.mean(rates), abs=0.005)


def test_no_time_has_no_chance() -> None:
    assert chance_rate(3, 0.0) is None
    assert chance_rate(0, 1.0) == 0.0
