"""What ``regress`` reports: the model of its summary.json."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field

from ttsctl.core.metric import Value, definitions_of
from ttsctl.core.provenance import Provenance
from ttsctl.core.stalls import StalledRun
from ttsctl.core.verdict import GateStatus, Verdict
from ttsctl.regress.aggregate import Aggregate
from ttsctl.regress.baseline import BASELINE
from ttsctl.regress.conditions import provenance_differences
from ttsctl.regress.coverage import Coverage
from ttsctl.regress.measure import MeasuredCase, RunFacts
from ttsctl.regress.reference import Reference
from ttsctl.regress.run import SuiteResult
from ttsctl.regress.runner import CaseError
from ttsctl.regress.suite import Suite
from ttsctl.report.summary import Model, Summary

JUNIT, HTML = "junit.xml", "report.html"


class SuiteFacts(Model):
    """The suite that was run."""

    name: str
    path: str
    sha256: Annotated[str, Field(description="over the bytes of the suite file")]
    runs: Annotated[int, Field(description="streamed runs besides the first")]
    warmup: int
    timeout_s: float
    offline_from_codes: Annotated[bool, Field(description="offline runs decode the codes of the stream")] = False


class MeasuredValue(Model):
    """One figure. ``value`` is null exactly where ``reason`` says why."""

    value: Value
    unit: str
    reason: str | None


class CaseSummary(Model):
    """One text by one voice. ``error`` says why a case has no metrics."""

    id: str
    text_id: str | None
    text: str
    text_mode: str
    voice: dict[str, str | bool | None]
    error: CaseError | None
    wall_s: Annotated[float | None, Field(description="all runs of the case together")]
    metrics: dict[str, MeasuredValue]
    runs: list[RunFacts]
    stalls: Annotated[list[StalledRun] | None, Field(description="null, with a reason in metrics, if unknown")] = None


class BaselineFacts(Model):
    """The baseline of the run, or why there is none, and what differs from it."""

    folder: str | None
    absent: Annotated[str | None, Field(description="why there is no baseline")]
    suite: str | None = None
    created_utc: str | None = None
    codes_differ: list[str] = Field(default=[], description="differences that make codes and audio not comparable")
    timing_differ: list[str] = Field(default=[], description="differences that make times not comparable")
    settings_differ: list[str] = Field(
        default=[], description="what else was set otherwise; times are compared even so"
    )
    cases_not_run: list[str] = Field(default=[], description="cases of the baseline that this run does not have")
    cases_not_compared: list[str] = Field(default=[], description="cases of this run that no gate compared with it")
    provenance_differ: list[str] = Field(default=[], description="everything that differs in the two provenances")


class RegressSummary(Summary):
    """summary.json of ``regress``."""

    command: str = "regress"
    suite: SuiteFacts
    cases: list[CaseSummary]
    verdicts: Annotated[
        list[Verdict], Field(description="one a pin; a gate has one a case, or one over all (where is empty)")
    ]
    counts: Annotated[dict[str, int], Field(description="verdicts by status")]
    failed_gates: list[str]
    aggregates: dict[str, Aggregate]
    baseline: BaselineFacts
    files: Annotated[dict[str, str], Field(description="what else lies in the run folder")]


def summarise(result: SuiteResult, provenance: Provenance) -> RegressSummary:
    """The summary of a judged run; ``provenance`` is the engine's, or the process's if no engine was loaded."""
    verdicts = result.verdicts
    metrics = [name for case in result.cases for name in case.observations or ()]
    return RegressSummary(
        exit_status=int(result.outcome.status),
        headline=result.outcome.headline,
        config=result.config.to_dict(),
        config_sha256=result.config.sha256,
        in_force=dict(result.info.in_force) if result.info else None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*metrics),
        notes=result.notes,
        suite=_suite(result.suite),
        cases=[_case(case) for case in result.cases],
        verdicts=verdicts,
        counts={status: sum(v.status == status for v in verdicts) for status in get_args(GateStatus)},
        failed_gates=list(dict.fromkeys(v.gate for v in verdicts if v.status == "fail")),
        aggregates=result.aggregates,
        baseline=_baseline(result.reference, result.coverage, provenance),
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


def _suite(suite: Suite) -> SuiteFacts:
    return SuiteFacts(
        name=suite.name,
        path=str(suite.path),
        sha256=suite.sha256,
        runs=suite.runs,
        warmup=suite.warmup,
        timeout_s=suite.timeout_s,
        offline_from_codes=suite.offline_from_codes,
    )


def _case(case: MeasuredCase) -> CaseSummary:
    request = case.case.request
    found = case.observations or {}
    return CaseSummary(
        id=case.case.id,
        text_id=request.text_id,
        text=request.text,
        text_mode=request.text_mode,
        voice=request.voice.to_dict(),
        error=case.error,
        wall_s=case.wall_s,
        metrics={name: MeasuredValue(value=o.value, unit=o.unit, reason=o.reason) for name, o in found.items()},
        runs=case.runs,
        stalls=None if case.stalls is None else list(case.stalls),
    )


def _baseline(reference: Reference, coverage: Coverage | None, provenance: Provenance) -> BaselineFacts:
    if reference.baseline is None:
        return BaselineFacts(folder=None, absent=reference.absent or "no baseline")
    return BaselineFacts(
        folder=str(reference.folder),
        absent=None,
        suite=reference.baseline.suite,
        created_utc=reference.baseline.created_utc,
        codes_differ=reference.codes_differ,
        timing_differ=reference.timing_differ,
        settings_differ=reference.settings_differ,
        cases_not_run=coverage.not_run if coverage else [],
        cases_not_compared=coverage.not_compared if coverage else [],
        provenance_differ=provenance_differences(reference.baseline.provenance, provenance),
    )


def _files(result: SuiteResult) -> dict[str, str]:
    files = {"junit": JUNIT, "html": HTML}
    if any(case.runs for case in result.cases):
        files |= {"codes": "codes/", "wav": "wav/", "baseline": BASELINE}
    return files
