"""``regress`` as one call: run a suite, observe, judge, and leave wavs, dumps and a baseline in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.verdict import Verdict
from ttsctl.dumps.manifest import write_manifest
from ttsctl.regress.artifacts import RunFacts, run_facts, save_case
from ttsctl.regress.baseline import (
    Baseline,
    BaselineCase,
    baseline_case,
    codes_conditions,
    read_baseline,
    timing_conditions,
    write_baseline_file,
)
from ttsctl.regress.cases import CaseOutput
from ttsctl.regress.judge import Judged, exit_status, headline, judge
from ttsctl.regress.measure import Aggregate, aggregate, observe
from ttsctl.regress.reference import Reference, check_audio, no_reference, reference_to
from ttsctl.regress.runner import EngineFactory, Failed, Runner
from ttsctl.regress.suite import Suite
from ttsctl.runs.timeout import GRACE_S

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CaseResult:
    """A case as judged, its runs, their wall time, what the engine noted, and what later runs will compare with.

    A case that failed has only its error.
    """

    judged: Judged
    runs: list[RunFacts] = field(default_factory=list)
    wall_s: float | None = None
    notes: list[str] = field(default_factory=list)
    as_baseline: BaselineCase | None = None


@dataclass(frozen=True)
class SuiteResult:
    """All that ``regress`` found. ``info`` is None if no case was there to load an engine for."""

    suite: Suite
    config: Config
    info: EngineInfo | None
    cases: list[CaseResult]
    aggregates: list[Aggregate]
    verdicts: list[Verdict]
    status: int
    headline: str
    reference: Reference
    notes: list[str]


def run_suite(
    suite: Suite,
    config: Config,
    factory: EngineFactory,
    baseline_folder: Path | None,
    writing_baseline: bool,
    folder: Path,
    progress: Progress | None = None,
    grace_s: float = GRACE_S,
) -> SuiteResult:
    """Run and judge ``suite``; files go into ``folder``. The baseline is not read when this run is to make one.

    ``progress`` is told the case and how many of how many are done. InputError for a broken baseline or an
    unwritable folder, and whatever loading the engine raises; a case that fails is in the result.
    """
    baseline = _open_baseline(suite, None if writing_baseline else baseline_folder)
    why_none = "this run makes the baseline" if writing_baseline else "no baseline given"
    reference = no_reference(why_none, writing_baseline)
    runner = Runner(suite, factory, grace_s)
    results: list[CaseResult] = []
    for outcome in runner.outcomes():
        if baseline is not None and runner.info is not None:
            reference = reference_to(*baseline, config, runner.info)
        results.append(_result(outcome, reference, config))
        if isinstance(outcome, CaseOutput):
            save_case(outcome, folder, config)
        if progress is not None:
            progress(outcome.case.id, len(results), len(suite.cases))
    _write_indexes(suite, config, runner.info, results, folder)
    return _judged(suite, config, runner, results, reference)


def _open_baseline(suite: Suite, folder: Path | None) -> tuple[Baseline, Path] | None:
    if folder is None:
        return None
    baseline = read_baseline(folder)
    check_audio(folder, suite.cases)
    return baseline, folder


def _result(outcome: CaseOutput | Failed, reference: Reference, config: Config) -> CaseResult:
    if isinstance(outcome, Failed):
        return CaseResult(Judged(outcome.case, None, outcome.error))
    observations = observe(outcome, reference.against(outcome.case, outcome.info.sample_rate))
    return CaseResult(
        judged=Judged(outcome.case, observations),
        runs=run_facts(outcome),
        wall_s=outcome.wall_s,
        notes=_engine_notes(outcome),
        as_baseline=baseline_case(outcome, observations, config.stream.packet_tokens),
    )


def _engine_notes(output: CaseOutput) -> list[str]:
    said = dict.fromkeys([*(note for run in output.streams for note in run.notes), *output.offline.notes])
    return [f"{output.case.id}: {note}" for note in said]


def _write_indexes(
    suite: Suite, config: Config, info: EngineInfo | None, results: Sequence[CaseResult], folder: Path
) -> None:
    """The manifest of the dumps, and this run as a baseline for later ones."""
    if any((folder / "codes").glob("meta_*.json")):
        write_manifest(folder / "codes")
    cases = [result.as_baseline for result in results if result.as_baseline is not None]
    if info is None or not cases:
        return
    baseline = Baseline(
        suite=suite.name,
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config_sha256=config.sha256,
        codes_conditions=codes_conditions(config, info),
        timing_conditions=timing_conditions(config, info),
        provenance=info.provenance.to_dict(),
        cases=cases,
    )
    write_baseline_file(baseline, folder)


def _judged(
    suite: Suite, config: Config, runner: Runner, results: list[CaseResult], reference: Reference
) -> SuiteResult:
    cases = [result.judged for result in results]
    verdicts = judge(suite.gates, suite.pins, config, cases, reference)
    status = exit_status(verdicts, suite.gates, cases)
    return SuiteResult(
        suite=suite,
        config=config,
        info=runner.info,
        cases=results,
        aggregates=aggregate([case.observations for case in cases if case.observations is not None]),
        verdicts=verdicts,
        status=status,
        headline=headline(verdicts, status, cases),
        reference=reference,
        notes=[*(note for result in results for note in result.notes), *runner.notes],
    )
