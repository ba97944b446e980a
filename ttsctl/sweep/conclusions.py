"""What an experiment concludes: each question's expectation, held against the rows that it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.metric import Observation
from ttsctl.sweep.expectation import Answer, Expectation, Finding, evaluate, parse_expectation
from ttsctl.sweep.metrics import COUNTS, DRIFT_METRICS, METRICS
from ttsctl.sweep.rows import ConditionRow

Over = Literal["each", "all"]
# The row of all runs of these conditions together.
Pool = Callable[[Sequence[str]], ConditionRow]


@dataclass(frozen=True)
class Conclusion:
    """A question and what is expected of ``conditions``: of each alone, or over all their runs."""

    question: str
    expectation: Expectation
    over: Over
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """A conclusion as judged. ``findings``: by condition; by "all" or "" where it is one for all of them.

    "holds" only if it holds everywhere: a condition that was skipped, failed in a run, or lacks the figure leaves the
    whole not judged, unless it fails somewhere.
    """

    conclusion: Conclusion
    outcome: Answer
    findings: Mapping[str, Finding]
    reason: str


def read_conclusion(
    question: str, expect: str, over: Over, patterns: Sequence[str] | None, names: Sequence[str], where: str
) -> Conclusion:
    """Check an entry against the names of all conditions; InputError, told at ``where``."""
    expectation = parse_expectation(expect, f"{where}: expect", METRICS, names)
    default = sorted(expectation.conditions, key=list(names).index) if expectation.names_all else list(names)
    chosen = default if patterns is None else _matching(patterns, names, where)
    return Conclusion(question, expectation, over, tuple(chosen))


def _matching(patterns: Sequence[str], names: Sequence[str], where: str) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"{where}: conditions: nothing matches {pattern!r}", nearest(pattern, list(names)))
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def judge(conclusion: Conclusion, rows: Mapping[str, ConditionRow], pool: Pool) -> Judgement:
    """Hold a conclusion against the table; ``rows`` has every condition by name."""
    findings = _findings(conclusion, rows, pool)
    outcomes = [finding.outcome for finding in findings.values()]
    outcome: Answer = "fails" if "fails" in outcomes else "not judged" if "not judged" in outcomes else "holds"
    at = {name: f for name, f in findings.items() if f.outcome == outcome}
    shown = at if outcome != "holds" else findings
    return Judgement(conclusion, outcome, findings, _reason(shown))


def _reason(findings: Mapping[str, Finding]) -> str:
    """Condition and detail; conditions of which the same is to be said stand together."""
    alike: dict[str, list[str]] = {}
    for name, finding in findings.items():
        alike.setdefault(finding.detail, []).append(name)
    return "; ".join(f"{', '.join(names)}: {detail}" if any(names) else detail for detail, names in alike.items())


def _findings(conclusion: Conclusion, rows: Mapping[str, ConditionRow], pool: Pool) -> dict[str, Finding]:
    expectation = conclusion.expectation
    if expectation.names_all:
        return {"": _finding(expectation, None, rows, sorted(expectation.conditions))}
    if conclusion.over == "all":
        return {"all": _finding(expectation, pool(conclusion.conditions), rows, conclusion.conditions)}
    return {name: _finding(expectation, rows[name], rows, [name]) for name in conclusion.conditions}


def _finding(
    expectation: Expectation, row: ConditionRow | None, rows: Mapping[str, ConditionRow], about: Sequence[str]
) -> Finding:
    def lookup(metric: str, condition: str | None) -> Observation:
        return (rows[condition] if condition is not None or row is None else row).metrics[metric]  # type: ignore[index]

    found = evaluate(expectation, lookup)
    if found.outcome != "holds":
        return found
    # Who asks how many runs failed is answered by those that did.
    counts = expectation.metrics <= COUNTS
    incomplete = _incomplete([rows[name] for name in {*about, *expectation.conditions}], counts)
    if incomplete:
        return Finding("not judged", f"{found.detail}; but {incomplete}")
    claims = _claims(expectation, row, rows)
    return Finding("holds", "; ".join([found.detail, *claims])) if claims else found


def _claims(expectation: Expectation, row: ConditionRow | None, rows: Mapping[str, ConditionRow]) -> list[str]:
    """What the runs behind each figure of drift can claim, told of whom where an expectation names conditions."""
    claims: dict[str, None] = {}
    for term in expectation.terms:
        if term.metric in DRIFT_METRICS:
            if term.condition is not None:
                claims[f"{term.condition}: {rows[term.condition].power}"] = None
            elif row is not None:
                claims[row.power] = None
    return list(claims)


def _incomplete(rows: Sequence[ConditionRow], errors_count: bool) -> str:
    """What keeps a true expectation from holding: runs that are missing might have made it false."""
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


def exit_status(judgements: Sequence[Judgement]) -> int:
    """0 if every conclusion holds, 1 if one fails, 3 if there is none or one could not be judged."""
    outcomes = [judgement.outcome for judgement in judgements]
    if "fails" in outcomes:
        return 1
    return 0 if outcomes and all(outcome == "holds" for outcome in outcomes) else 3
