"""How sure a comparison of times is: the interval of the difference between its two sides, by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ttsctl.sweep.expectation import Answer, Relation, Term
from ttsctl.sweep.metrics import MAXIMUM, TIMED_PERCENTILES, unit_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 9999
# The same runs always give the same interval.
SEED = 0
# Fewest runs for the interval of a percentile. Of a median the widest, smallest to largest run, has a confidence of
# 1 - 2^(1-n), which reaches 95 % with 6 (Hahn & Meeker, "Statistical Intervals", 5.2). Fewer than 20 runs have none
# that 5 % of them exceed.
LEAST_RUNS: Mapping[int, int] = MappingProxyType({50: 6, 95: 20})
# The condition that a term names, or None for the row at hand -> its clean runs, part of a run_table.
RunsOf = Callable[[str | None], "pd.DataFrame"]


@dataclass(frozen=True)
class TimeInterval:
    """The left side of a relation minus its right side, in the unit of its times.

    ``low`` to ``high``: the interval of ``confidence``, by the percentile bootstrap (Efron & Tibshirani, "An
    Introduction to the Bootstrap", 13.3). ``paired``: runs of the same text and repeat were drawn together. ``runs``:
    of the side that has fewer.
    """

    difference: str
    value: float
    low: float
    high: float
    unit: str
    confidence: float
    runs: int
    paired: bool

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        how = "paired by repeat" if self.paired else "not paired"
        return (
            f"{self.difference} = {self.value:.4g}{unit}, {self.confidence:.0%} from {self.low:.4g} to "
            f"{self.high:.4g}{unit} ({self.runs} runs, {how})"
        )


def time_interval(relation: Relation, runs_of: RunsOf, paired: bool) -> TimeInterval | str | None:
    """The interval of a relation between percentiles of times, or why it has none.

    None if it is about no percentile: a count needs no interval, and the longest time is a fact about these runs alone.
    ``paired``: the repeats of the conditions took turns, so that what slowed the machine slowed all of them.
    """
    sides = [_side(term, runs_of) for term in (relation.left, relation.right)]
    timed = [side for side in sides if side is not None]
    numbers = [side is not None or term.metric is None for side, term in zip(sides, _terms(relation), strict=True)]
    if not timed or not all(numbers):
        return None
    if len(timed) == 2 and (paired or relation.left.condition == relation.right.condition) and _each_once(timed):
        together = timed[0].times.index.intersection(timed[1].times.index)
        # Conditions of different voices have no case in common.
        paired = len(together) > 0
        if paired:
            timed = [_Side(side.term, side.percent, side.times.loc[together]) for side in timed]
    else:
        paired = False
    few = next((why for side in timed if (why := side.why_few())), None)
    return few if few else _interval(relation, timed, paired)


def judged(interval: TimeInterval, operator: str) -> Answer:
    """Whether ``difference operator 0`` is so, which only an interval on one side of 0 decides."""
    low, high = interval.low, interval.high
    if operator in ("==", "!="):
        return ("fails" if operator == "==" else "holds") if low > 0 or high < 0 else "not judged"
    if operator in (">", ">="):
        low, high = -high, -low
    strict = operator in ("<", ">")
    if high < 0 or (high == 0 and not strict):
        return "holds"
    return "fails" if low > 0 or (low == 0 and strict) else "not judged"


def _each_once(sides: list[_Side]) -> bool:
    """Whether a case and a repeat name one run of each side, which they do not where a row has several conditions."""
    return all(side.times.index.is_unique for side in sides)


def _terms(relation: Relation) -> tuple[Term, Term]:
    return relation.left, relation.right


@dataclass(frozen=True)
class _Side:
    """A term, the percentile that it takes, and the time of each run by case and repeat."""

    term: Term
    percent: int
    times: pd.Series[float]

    def why_few(self) -> str | None:
        least = LEAST_RUNS[self.percent]
        if len(self.times) >= least:
            return None
        return f"{self.term.label}: {len(self.times)} runs are too few for an interval, which takes {least}"

    def of(self, times: NDArray[np.float64], axis: int) -> Any:
        return self.term.factor * np.quantile(times, self.percent / 100, axis=axis) + self.term.plus


def _side(term: Term, runs_of: RunsOf) -> _Side | None:
    timed, percent = TIMED_PERCENTILES.get(term.metric or "", ("", MAXIMUM))
    if percent == MAXIMUM:
        return None
    runs = runs_of(term.condition)
    times = runs.set_index(["condition", "case", "repeat"])[timed].dropna()
    # Runs of one condition are known by case and repeat; where several stand together, none is paired.
    return _Side(term, percent, times.droplevel("condition"))


def _interval(relation: Relation, sides: list[_Side], paired: bool) -> TimeInterval:
    # The package takes long to load, and only a question about times needs it.
    from scipy.stats import bootstrap

    data: tuple[NDArray[np.float64], ...] = tuple(np.array(side.times, np.float64) for side in sides)
    constant = _constant(relation)

    def difference(*samples: NDArray[np.float64], axis: int = -1) -> Any:
        found = [side.of(times, axis) for side, times in zip(sides, samples, strict=True)]
        if len(found) == 2:
            return found[0] - found[1]
        return found[0] - constant if relation.right.metric is None else constant - found[0]

    found = bootstrap(
        data,
        difference,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        paired=paired and len(data) == 2,
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return TimeInterval(
        difference=f"{_told(relation.left)} - {_told(relation.right)}",
        value=float(difference(*data)),
        low=float(found.low),
        high=float(found.high),
        unit=unit_of(sides[0].term.metric or ""),
        confidence=CONFIDENCE,
        runs=min(len(times) for times in data),
        paired=paired,
    )


def _constant(relation: Relation) -> float:
    """The number that stands on one side; 0 if both have times."""
    return next((term.plus for term in _terms(relation) if term.metric is None), 0.0)


def _told(term: Term) -> str:
    """A term as it stands behind a minus: ``1.1 * ttfa_p50_ms[none]``, or ``(ttfa_p50_ms[none] + 5)``."""
    if term.metric is None:
        return f"{term.plus:g}"
    told = term.label if term.factor == 1 else f"{term.factor:g} * {term.label}"
    return told if term.plus == 0 else f"({told} {'+' if term.plus > 0 else '-'} {abs(term.plus):g})"
