"""What clean runs can claim, against the exact binomial limit."""

from __future__ import annotations

import pytest
from scipy import stats

from ttsctl.runs.power import drift_bound, power_words


@pytest.mark.parametrize("runs", [1, 2, 3, 10, 30, 59, 300])
def test_bound_is_the_exact_limit(runs: int) -> None:
    """Clopper-Pearson for none in n: the beta quantile; and at the bound, n clean runs happen one time in twenty."""
    bound = drift_bound(runs)
    assert bound is not None
    assert bound == pytest.approx(stats.beta.ppf(0.95, 1, runs), rel=1e-9)
    assert stats.binom.pmf(0, runs, bound) == pytest.approx(0.05, rel=1e-9)


def test_no_run_bounds_nothing() -> None:
    assert drift_bound(0) is None
    assert power_words(0) == "no clean run: nothing is known about drift"


def test_59_runs_for_five_percent() -> None:
    enough, one_less = drift_bound(59), drift_bound(58)
    assert enough is not None and one_less is not None
    assert enough <= 0.05 < one_less


def test_two_runs_say_so() -> None:
    assert power_words(1) == "a single run bounds the drift rate at ≤ 95 % (95 %): next to nothing"
    assert power_words(2) == "2 clean runs bound the drift rate at ≤ 78 % (95 %)"
    # 63.16 and 0.995: rounded down they would claim too much.
    assert "≤ 64 %" in power_words(3)
    assert "≤ 95 %" in power_words(1)
    assert "≤ 1 %" in power_words(300)
    assert "≤ 0.3 %" in power_words(1000)
