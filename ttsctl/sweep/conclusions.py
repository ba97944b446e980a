"""What an experiment concludes: the expectation of each question, judged on the rows that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from ttsctl.core.errors import InputError, nearest
from ttsctl.sweep.evaluate import ExpectationFinding, evaluate
from ttsctl.sweep.expectation import Answer, Expectation, Relation, parse_expectation
from ttsctl.sweep.metrics import COUNTS, DRIFT_METRICS, METRICS, TIMED_PERCENTILES, Figure
from ttsctl.sweep.rows import ConditionRow
from ttsctl.sweep.time_intervals import TimeInterval, time_interval

if TYPE_CHECKING:
    import pandas as pd

Over = Literal["each", "all"]
# The names of conditions -> all their runs as one row.
PooledRow = Callable[[Sequence[str]], ConditionRow]
# The names of conditions -> their clean runs, part of a run_table.
CleanRuns = Callable[[Sequence[str]], "pd.DataFrame"]


@dataclass(frozen=True)
class Conclusion:
    """A question, and what is expected of each of its ``conditions`` alone ("each") or of all their runs ("all")."""

    question: str
    expectation: Expectation
    over: Over
    conditions: tuple[str, ...]

    @property
    def about_times(self) -> bool:
        """Whether it asks for a time, which is judged on repeats that take turns."""
        return bool(self.expectation.metrics & TIMED_PERCENTILES.keys())


@dataclass(frozen=True)
class Table:
    """What conclusions are judged on. ``rows``: by condition. ``interleaved``: its repeats took turns."""

    rows: Mapping[str, ConditionRow]
    pooled_row: PooledRow
    clean_runs: CleanRuns
    interleaved: bool


@dataclass(frozen=True)
class JudgedConclusion:
    """A conclusion and how it came out.

    ``findings``: by condition; or one for all of them, under "all", or under "" if the expectation names its conditions
    itself. ``outcome`` is "fails" if it fails anywhere, and "holds" only if it holds everywhere: a condition that was
    skipped, that failed in a run or that lacks the figure leaves it "not judged".
    """

    conclusion: Conclusion
    outcome: Answer
    findings: Mapping[str, ExpectationFinding]
    reason: str


def read_conclusion(
    question: str, expect: str, over: Over, patterns: Sequence[str] | None, names: Sequence[str], where: str
) -> Conclusion:
    """A conclusion as an experiment's file has it; ``names``: of all conditions, ``patterns``: None takes all.

    InputError, which begins with ``where``, for an unknown word in ``expect`` and a pattern that matches nothing.
    """
    expectation = parse_expectation(expect, f"{where}: expect", METRICS, names)
    default = sorted(expectation.conditions, key=list(names).index) if expectation.names_all else list(names)
    chosen = default if patterns is None else _matching(patterns, names, where)
    return Conclusion(question, expectation, over, tuple(chosen))


def _matching(patterns: Sequence[str], names: Sequence[str], where: str) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"{where}: conditions: nothing matches {pattern!r}", nearest(pattern, list(names)))
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def judge_conclusion(conclusion: Conclusion, table: Table) -> JudgedConclusion:
    """Judge a conclusion on the table."""
    findings = _findings(conclusion, table)
    outcomes = [finding.outcome for finding in findings.values()]
    outcome: Answer = "fails" if "fails" in outcomes else "not judged" if "not judged" in outcomes else "holds"
    decisive = {name: finding for name, finding in findings.items() if finding.outcome == outcome}
    return JudgedConclusion(conclusion, outcome, findings, _reason(decisive))


def _reason(findings: Mapping[str, ExpectationFinding]) -> str:
    """``<condition>: <detail>``; conditions with the same detail stand together."""
    alike: dict[str, list[str]] = {}
    for name, finding in findings.items():
        alike.setdefault(finding.detail, []).append(name)
    return "; ".join(f"{', '.join(names)}: {detail}" if any(names) else detail for detail, names in alike.items())


def _findings(conclusion: Conclusion, table: Table) -> dict[str, ExpectationFinding]:
    expectation = conclusion.expectation
    if expectation.names_all:
        return {"": _finding(expectation, None, table, sorted(expectation.conditions))}
    if conclusion.over == "all":
        return {"all": _finding(expectation, table.pooled_row(conclusion.conditions), table, conclusion.conditions)}
    return {name: _finding(expectation, table.rows[name], table, [name]) for name in conclusion.conditions}


def _finding(
    expectation: Expectation, row: ConditionRow | None, table: Table, about: Sequence[str]
) -> ExpectationFinding:
    """The answer for one row; ``about``: the conditions whose runs it stands for."""

    def lookup(metric: str, condition: str | None) -> Figure:
        named = row if condition is None else table.rows[condition]
        if named is None:
            raise ValueError(f"{expectation.text!r}: {metric} is of no condition, and there is no row for it")
        return named.metrics[metric]

    def interval_of(relation: Relation) -> TimeInterval | str | None:
        return time_interval(
            relation, lambda name: table.clean_runs(about if name is None else [name]), table.interleaved
        )

    found = evaluate(expectation, lookup, interval_of)
    if found.outcome != "holds":
        return found
    # A question about the number of failed runs is answered although runs failed.
    counts = expectation.metrics <= COUNTS
    incomplete = _incomplete([table.rows[name] for name in {*about, *expectation.conditions}], counts)
    if incomplete:
        return replace(found, outcome="not judged", detail=f"{found.detail}; but {incomplete}")
    claims = _claims(expectation, row, table.rows)
    return replace(found, detail="; ".join([found.detail, *claims]))


def _claims(expectation: Expectation, row: ConditionRow | None, rows: Mapping[str, ConditionRow]) -> list[str]:
    """The power of the runs behind each figure of drift, after the condition's name if the expectation names it."""
    claims: dict[str, None] = {}
    for term in expectation.terms:
        if term.metric in DRIFT_METRICS:
            if term.condition is not None:
                claims[f"{term.condition}: {rows[term.condition].power}"] = None
            elif row is not None:
                claims[row.power] = None
    return list(claims)


def _incomplete(rows: Sequence[ConditionRow], errors_count: bool) -> str:
    """Why a true expectation does not hold yet: the missing runs might have made it false. "" if none is missing."""
    reasons = []
    for row in sorted(rows, key=lambda row: row.name):
        errors, skipped = row.value("errors"), row.value("skipped_runs")
        if row.skipped is not None:
            reasons.append(f"{row.name} was {row.skipped}")
        elif errors and not errors_count:
            reasons.append(f"{errors} runs of {row.name} failed ({row.first_error})")
        elif skipped:
            reasons.append(f"{skipped} runs of {row.name} were skipped")
    return "; ".join(reasons)
