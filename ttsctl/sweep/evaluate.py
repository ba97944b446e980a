"""The answer to an expectation: its relations on the figures of the table, and between times on their intervals."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from ttsctl.sweep.expectation import Answer, Expectation, Relation, Term
from ttsctl.sweep.metrics import Figure
from ttsctl.sweep.time_intervals import TimeInterval, judged

# (metric, condition or None for the row at hand) -> its figure.
Lookup = Callable[[str, str | None], Figure]
# The interval of a relation between times, or why it has none; None for any other relation.
IntervalOf = Callable[[Relation], TimeInterval | str | None]

_OPERATORS = MappingProxyType(
    {
        "<=": operator.le,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        ">": operator.gt,
    }
)


@dataclass(frozen=True)
class ExpectationFinding:
    """The answer to an expectation; ``detail`` has the figures, or says what is missing.

    ``intervals``: of its relations between times, on which these were judged.
    """

    outcome: Answer
    detail: str
    intervals: tuple[TimeInterval, ...] = ()


def evaluate(expectation: Expectation, lookup: Lookup, interval_of: IntervalOf) -> ExpectationFinding:
    """One false relation makes it "fails"; otherwise one that cannot be judged makes it "not judged"."""
    answers: list[Answer] = []
    details: list[str] = []
    missing: list[str] = []
    intervals: list[TimeInterval] = []
    for relation in expectation.relations:
        left, right = _value(relation.left, lookup), _value(relation.right, lookup)
        if isinstance(left, str) or isinstance(right, str):
            missing += [side for side in (left, right) if isinstance(side, str)]
            answers.append("not judged")
            continue
        details.append(_values_told(relation, left, right))
        interval = interval_of(relation)
        if isinstance(interval, TimeInterval):
            answers.append(judged(interval, relation.operator))
            intervals.append(interval)
            details.append(str(interval) if answers[-1] != "not judged" else f"{interval}, which spans 0")
        elif isinstance(interval, str):
            answers.append("not judged")
            missing.append(interval)
        else:
            answers.append("holds" if _OPERATORS[relation.operator](left, right) else "fails")
    answer: Answer = "fails" if "fails" in answers else "not judged" if "not judged" in answers else "holds"
    return ExpectationFinding(answer, "; ".join(dict.fromkeys([*details, *missing])), tuple(intervals))


def _value(term: Term, lookup: Lookup) -> float | str:
    """The term's value, or why there is none."""
    if term.metric is None:
        return term.plus
    found = lookup(term.metric, term.condition)
    if found.value is None:
        return f"{term.label}: {found.reason}"
    return term.factor * found.value + term.plus


def _values_told(relation: Relation, left: float, right: float) -> str:
    """``ttfa_p50_ms[none] = 4, ttfa_p50_ms[overlap] = 3``."""
    sides = zip((relation.left, relation.right), (left, right), strict=True)
    return ", ".join(f"{term.label} = {_measured(term, value):.6g}" for term, value in sides if term.metric)


def _measured(term: Term, value: float) -> float:
    """The value of the metric itself, of which ``value`` is the term's."""
    return (value - term.plus) / term.factor if term.factor else value
