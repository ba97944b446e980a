"""What an experiment expects of its figures: a small language, checked when the file is read.

expectation = comparison { "and" comparison }
comparison  = term operator term                operator = < <= == != >= >
term        = number | [ number "*" ] figure [ "*" number ] [ ("+" | "-") number ]
figure      = metric [ "[" condition "]" ]

``hash_unique == 1 and errors == 0`` speaks of whatever row of the table it is held against;
``ttfa_p50_ms[overlap] <= 1.05 * ttfa_p50_ms[none] + 5`` of the conditions that it names.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.metric import Observation

Outcome = Literal["holds", "fails", "not judged"]
# (metric, condition or None for the row at hand) -> its figure.
Lookup = Callable[[str, str | None], Observation]

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
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<word>[A-Za-z_]\w*)|"
    r"\[\s*(?P<condition>[^\]]*?)\s*\]|(?P<operator><=|>=|==|!=|<|>)|(?P<sign>[*+-]))"
)
_FORM = "write it as: metric operator number, or metric[condition] operator metric[condition]"


@dataclass(frozen=True)
class Term:
    """factor * figure + plus; without a metric it is ``plus`` alone."""

    metric: str | None = None
    condition: str | None = None
    factor: float = 1.0
    plus: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """left operator right."""

    left: Term
    operator: str
    right: Term


@dataclass(frozen=True)
class Expectation:
    """A parsed expectation, all of whose comparisons must be true."""

    text: str
    comparisons: tuple[Comparison, ...]

    @property
    def terms(self) -> list[Term]:
        return [term for c in self.comparisons for term in (c.left, c.right) if term.metric is not None]

    @property
    def metrics(self) -> set[str]:
        return {term.metric for term in self.terms if term.metric is not None}

    @property
    def conditions(self) -> set[str]:
        """The conditions that it names."""
        return {term.condition for term in self.terms if term.condition is not None}

    @property
    def names_all(self) -> bool:
        """Whether every figure says of which condition it is, so that no row is needed to hold it against."""
        return all(term.condition is not None for term in self.terms)


@dataclass(frozen=True)
class Finding:
    """An expectation held against figures: ``detail`` has the figures, or what is missing."""

    outcome: Outcome
    detail: str


def parse_expectation(text: str, where: str, metrics: Collection[str], conditions: Collection[str]) -> Expectation:
    """InputError, told at ``where``, for a form, a metric or a condition that is not known."""
    reader = _Reader(text, where)
    comparisons = [reader.comparison()]
    while reader.rest:
        reader.word("and")
        comparisons.append(reader.comparison())
    expectation = Expectation(text, tuple(comparisons))
    for term in expectation.terms:
        if term.metric not in metrics:
            raise InputError(f"{where}: unknown metric {term.metric!r}", nearest(term.metric or "", list(metrics)))
        if term.condition is not None and term.condition not in conditions:
            raise InputError(
                f"{where}: unknown condition {term.condition!r}", nearest(term.condition, list(conditions))
            )
    for comparison in comparisons:
        if comparison.left.metric is None and comparison.right.metric is None:
            raise InputError(f"{where}: {text!r} compares two numbers", _FORM)
    return expectation


class _Reader:
    """Tokens (kind, text) from left to right."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self.rest: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._wrong(text[at:].strip())
            self.rest.append((found.lastgroup or "", found[found.lastgroup or 0]))
            at = found.end()

    def comparison(self) -> Comparison:
        left = self._term()
        found = self._take("operator")
        if found is None:
            raise self._unexpected()
        return Comparison(left, found, self._term())

    def word(self, wanted: str) -> None:
        if self.rest[0] != ("word", wanted):
            raise self._unexpected()
        self.rest.pop(0)

    def _term(self) -> Term:
        negative = self._sign("-")
        number = self._take("number")
        if number is not None and not self._sign("*"):
            return Term(plus=-float(number) if negative else float(number))
        metric = self._take("word")
        if metric is None or (negative and number is None):
            raise self._unexpected()
        factor = float(number) if number is not None else 1.0
        condition = self._take("condition")
        if self._sign("*"):
            factor *= self._number()
        plus = self._number() if self._sign("+") else -self._number() if self._sign("-") else 0.0
        return Term(metric, condition, -factor if negative else factor, plus)

    def _number(self) -> float:
        found = self._take("number")
        if found is None:
            raise self._unexpected()
        return float(found)

    def _take(self, kind: str) -> str | None:
        return self.rest.pop(0)[1] if self.rest and self.rest[0][0] == kind else None

    def _sign(self, sign: str) -> bool:
        if self.rest and self.rest[0] == ("sign", sign):
            self.rest.pop(0)
            return True
        return False

    def _unexpected(self) -> InputError:
        return self._wrong(self.rest[0][1] if self.rest else "its end")

    def _wrong(self, part: str) -> InputError:
        return InputError(f"{self._where}: cannot read {self._text!r} at {part!r}", _FORM)


def evaluate(expectation: Expectation, lookup: Lookup) -> Finding:
    """One false comparison decides; else a missing figure leaves it not judged."""
    details, missing, false = [], [], False
    for comparison in expectation.comparisons:
        left, right = _value(comparison.left, lookup), _value(comparison.right, lookup)
        reasons = [side for side in (left, right) if isinstance(side, str)]
        if isinstance(left, str) or isinstance(right, str):
            missing += reasons
            continue
        false |= not _OPERATORS[comparison.operator](left, right)
        details.append(_told(comparison, left, right))
    outcome: Outcome = "fails" if false else "not judged" if missing else "holds"
    return Finding(outcome, "; ".join(dict.fromkeys([*details, *missing])))


def _value(term: Term, lookup: Lookup) -> float | str:
    """The term's value, or why there is none."""
    if term.metric is None:
        return term.plus
    found = lookup(term.metric, term.condition)
    if found.value is None or isinstance(found.value, str):
        return f"{_named(term)}: {found.reason or 'not a number'}"
    return term.factor * found.value + term.plus


def _told(comparison: Comparison, left: float, right: float) -> str:
    sides = zip((comparison.left, comparison.right), (left, right), strict=True)
    return ", ".join(f"{_named(term)} = {_plain(term, value):.6g}" for term, value in sides if term.metric is not None)


def _plain(term: Term, value: float) -> float:
    return (value - term.plus) / term.factor if term.factor else value


def _named(term: Term) -> str:
    return f"{term.metric}[{term.condition}]" if term.condition is not None else str(term.metric)
