"""What ``regress`` reports: the model of its summary.json."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ttsctl.core.metric import Observation, definitions_of
from ttsctl.core.provenance import Provenance
from ttsctl.core.verdict import Verdict
from ttsctl.regress.artifacts import RunFacts
from ttsctl.regress.measure import Aggregate
from ttsctl.regress.reference import Reference
from ttsctl.regress.runner import CaseError
from ttsctl.regress.session import CaseResult, SuiteResult
from ttsctl.report.summary import Model, Summary, provenance_dict

JUNIT, HTML = "junit.xml", "report.html"
STATUSES = ("pass", "fail", "error", "not_comparable", "skipped")


class SuiteFacts(Model):
    """The suite that was run."""

    name: str
    path: str
    sha256: str = Field(description="over the bytes of the suite file")
    runs: int = Field(description="streamed runs besides the first")
    warmup: int
    timeout_s: float


class Metric(Model):
    """One figure; ``value`` is null exactly where ``reason`` says why."""

    value: float | int | str | bool | None
    unit: str
    reason: str | None

    @classmethod
    def of(cls, observation: Observation) -> Metric:
        return cls(value=observation.value, unit=observation.unit, reason=observation.reason)


class Distribution(Model):
    """A metric over all cases that have it."""

    p50: float | None
    p95: float | None
    max: float | None
    n: int
    unit: str
    reason: str | None

    @classmethod
    def of(cls, found: Aggregate) -> Distribution:
        return cls(p50=found.p50, p95=found.p95, max=found.max, n=found.n, unit=found.unit, reason=found.reason)


class CaseSummary(Model):
    """One text by one voice. ``error`` says why a case has no metrics."""

    id: str
    text_id: str | None
    text: str
    text_mode: str
    voice: dict[str, str | None]
    error: CaseError | None
    wall_s: float | None = Field(description="all runs of the case together")
    metrics: dict[str, Metric]
    runs: list[RunFacts]


class BaselineFacts(Model):
    """What the run was compared with, or why with nothing; which differences stood in the way of which gates."""

    folder: str | None
    absent: str | None = Field(description="why there is no baseline")
    suite: str | None = None
    created_utc: str | None = None
    codes_differ: list[str] = Field(default=[], description="differences that make codes and audio not comparable")
    timing_differ: list[str] = Field(default=[], description="differences that make times not comparable")
    provenance_differ: list[str] = Field(default=[], description="everything that differs in the two provenances")


class RegressSummary(Summary):
    """summary.json of ``regress``."""

    command: str = "regress"
    suite: SuiteFacts
    cases: list[CaseSummary]
    verdicts: list[Verdict] = Field(description="one a pin; a gate has one a case, or one over all (where is empty)")
    counts: dict[str, int] = Field(description="verdicts by status")
    failed_gates: list[str]
    aggregates: dict[str, Distribution]
    baseline: BaselineFacts
    files: dict[str, str] = Field(description="what else lies in the run folder")


def summarise(result: SuiteResult, provenance: Provenance) -> RegressSummary:
    """The summary of a judged run; ``provenance`` is the engine's, or the process's if no engine was loaded."""
    verdicts = result.verdicts
    metrics = [name for case in result.cases for name in case.judged.observations or ()]
    return RegressSummary(
        exit_status=result.status,
        headline=result.headline,
        config=result.config.to_dict(),
        config_sha256=result.config.sha256,
        in_force=dict(result.info.in_force) if result.info else None,
        provenance=provenance_dict(provenance),
        definitions=definitions_of(*metrics),
        notes=result.notes,
        suite=_suite(result),
        cases=[_case(case) for case in result.cases],
        verdicts=verdicts,
        counts={status: sum(v.status == status for v in verdicts) for status in STATUSES},
        failed_gates=list(dict.fromkeys(v.gate for v in verdicts if v.status == "fail")),
        aggregates={found.name: Distribution.of(found) for found in result.aggregates},
        baseline=_baseline(result.reference, provenance),
        files=_files(result),
    )


def history_line(summary: RegressSummary, folder: str) -> dict[str, Any]:
    """What ``summary.jsonl`` remembers of a run: enough to plot a trend and to find the folder."""
    return {
        "created_utc": summary.created_utc,
        "command": summary.command,
        "suite": summary.suite.name,
        "exit_status": summary.exit_status,
        "headline": summary.headline,
        "config_sha256": summary.config_sha256,
        "machine_id": summary.provenance.get("machine_id"),
        "git_commit": summary.provenance.get("git_commit"),
        "p50": {name: found.p50 for name, found in summary.aggregates.items() if found.unit == "ms"},
        "folder": folder,
    }


def _suite(result: SuiteResult) -> SuiteFacts:
    suite = result.suite
    return SuiteFacts(
        name=suite.name,
        path=str(suite.path),
        sha256=suite.sha256,
        runs=suite.runs,
        warmup=suite.warmup,
        timeout_s=suite.timeout_s,
    )


def _case(result: CaseResult) -> CaseSummary:
    judged = result.judged
    request = judged.case.request
    voice = request.voice
    return CaseSummary(
        id=judged.case.id,
        text_id=request.text_id,
        text=request.text,
        text_mode=request.text_mode,
        voice={"id": voice.id, "speaker": voice.speaker, "language": voice.language, "instruct": voice.instruct},
        error=judged.error,
        wall_s=result.wall_s,
        metrics={name: Metric.of(found) for name, found in (judged.observations or {}).items()},
        runs=result.runs,
    )


def _baseline(reference: Reference, provenance: Provenance) -> BaselineFacts:
    if reference.baseline is None:
        return BaselineFacts(folder=None, absent=reference.absent or "no baseline")
    return BaselineFacts(
        folder=str(reference.folder),
        absent=None,
        suite=reference.baseline.suite,
        created_utc=reference.baseline.created_utc,
        codes_differ=reference.codes_differ,
        timing_differ=reference.timing_differ,
        provenance_differ=_provenance_differences(reference.baseline.provenance, provenance),
    )


def _provenance_differences(then: dict[str, Any], now: Provenance) -> list[str]:
    """A baseline may be older than a field, so the two are compared as plain tables."""
    current = now.to_dict()
    lines = []
    for name in sorted(set(then) | set(current)):
        left, right = then.get(name), current.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            packages = [p for p in sorted(set(left) | set(right)) if left.get(p) != right.get(p)]
            lines += [
                f"{name} {p}: {left.get(p, 'absent')} in the baseline, {right.get(p, 'absent')} now" for p in packages
            ]
        elif left != right:
            lines.append(f"{name}: {left} in the baseline, {right} now")
    return lines


def _files(result: SuiteResult) -> dict[str, str]:
    files = {"junit": JUNIT, "html": HTML}
    if any(case.runs for case in result.cases):
        files |= {"codes": "codes/", "wav": "wav/", "baseline": "baseline.json"}
    return files
