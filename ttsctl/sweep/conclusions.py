"""What an experiment concludes: the expectation of each question, judged on the rows that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from ttsctl.core.errors import InputError, nearest
from ttsctl.sweep.expectation import Answer, Expectation, ExpectationFinding, evaluate, parse_expectation
from ttsctl.sweep.metrics import COUNTS, DRIFT_METRICS, METRICS, Figure
from ttsctl.sweep.rows import ConditionRow

Over = Literal["each", "all"]
# The names of conditions -> all their runs as one row.
PooledRow = Callable[[Sequence[str]], ConditionRow]


@dataclass(frozen=True)
class Conclusion:
    """A question, and what is expected of each of its ``conditions`` alone ("each") or of all their runs ("all")."""

    question: str
    expectation: Expectation
    over: Over
    conditions: tuple[str, ...]


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


def judge_conclusion(
    conclusion: Conclusion, rows: Mapping[str, ConditionRow], pooled_row: PooledRow
) -> JudgedConclusion:
    """Judge a conclusion on the table; ``rows`` has every condition by name."""
    findings = _findings(conclusion, rows, pooled_row)
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


def _findings(
    conclusion: Conclusion, rows: Mapping[str, ConditionRow], pooled_row: PooledRow
) -> dict[str, ExpectationFinding]:
    expectation = conclusion.expectation
    if expectation.names_all:
        return {"": _finding(expectation, None, rows, sorted(expectation.conditions))}
    if conclusion.over == "all":
        return {"all": _finding(expectation, pooled_row(conclusion.conditions), rows, conclusion.conditions)}
    return {name: _finding(expectation, rows[name], rows, [name]) for name in conclusion.conditions}


def _finding(
    expectation: Expectation, row: ConditionRow | None, rows: Mapping[str, ConditionRow], about: Sequence[str]
) -> ExpectationFinding:
    def lookup(metric: str, condition: str | None) -> Figure:
        named = row if condition is None else rows[condition]
        if named is None:
            raise ValueError(f"{expectation.text!r}: {metric} is of no condition, and there is no row for it")
        return named.metrics[metric]

    found = evaluate(expectation, lookup)
    if found.outcome != "holds":
        return found
    # A question about the number of failed runs is answered although runs failed.
    counts = expectation.metrics <= COUNTS
    incomplete = _incomplete([rows[name] for name in {*about, *expectation.conditions}], counts)
    if incomplete:
        return ExpectationFinding("not judged", f"{found.detail}; but {incomplete}")
    claims = _claims(expectation, row, rows)
    return ExpectationFinding("holds", "; ".join([found.detail, *claims])) if claims else found


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
