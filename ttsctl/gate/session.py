"""``regress`` as one call: run a suite, observe, judge, and leave wavs, dumps and a baseline in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ttsctl.codes.manifest import write_manifest
from ttsctl.contract.config import Config
from ttsctl.contract.engine import EngineInfo
from ttsctl.contract.observation import Verdict
from ttsctl.gate.artifacts import RunFacts, run_facts, save_case
from ttsctl.gate.baseline import (
    Baseline,
    BaselineCase,
    baseline_case,
    codes_conditions,
    read_baseline,
    timing_conditions,
    write_baseline_file,
)
from ttsctl.gate.drive import CaseOutput
from ttsctl.gate.judge import Judged, exit_status, headline, judge
from ttsctl.gate.observe import Aggregate, aggregate, observe
from ttsctl.gate.reference import Reference, no_reference, reference_to
from ttsctl.gate.run import GRACE_S, EngineFactory, Failed, Runner
from ttsctl.gate.suite import Suite

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CaseResult:
    """A case: judged as it stands, with its runs (none if it failed) and the wall time of all of them."""

    judged: Judged
    runs: list[RunFacts]
    wall_s: float | None


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
    baseline = None if writing_baseline or baseline_folder is None else read_baseline(baseline_folder)
    runner = Runner(suite, factory, grace_s)
    reference = no_reference(
        "this run makes the baseline" if writing_baseline else "no baseline given", writing_baseline
    )
    results: list[CaseResult] = []
    remembered: list[BaselineCase] = []
    notes: list[str] = []
    for number, outcome in enumerate(runner.outcomes()):
        if number == 0 and baseline is not None and baseline_folder is not None and runner.info is not None:
            reference = reference_to(baseline, baseline_folder, config, runner.info)
        result = _result(outcome, reference)
        if isinstance(outcome, CaseOutput):
            save_case(outcome, folder, config)
            notes += _engine_notes(outcome)
            if result.judged.observations is not None:
                packet_tokens = config.stream.packet_tokens
                remembered.append(baseline_case(outcome, result.judged.observations, packet_tokens))
        results.append(result)
        if progress is not None:
            progress(outcome.case.id, number + 1, len(suite.cases))
    _write_indexes(suite, config, runner.info, remembered, folder)
    return _judged(suite, config, runner.info, results, reference, [*dict.fromkeys(notes), *runner.notes])


def _result(outcome: CaseOutput | Failed, reference: Reference) -> CaseResult:
    if isinstance(outcome, Failed):
        return CaseResult(Judged(outcome.case, None, outcome.error), [], None)
    against = reference.against(outcome.case, outcome.info.sample_rate)
    return CaseResult(Judged(outcome.case, observe(outcome, against)), run_facts(outcome), outcome.wall_s)


def _engine_notes(output: CaseOutput) -> list[str]:
    said = dict.fromkeys([*(note for run in output.streams for note in run.notes), *output.offline.notes])
    return [f"{output.case.id}: {note}" for note in said]


def _write_indexes(
    suite: Suite, config: Config, info: EngineInfo | None, cases: Sequence[BaselineCase], folder: Path
) -> None:
    """The manifest of the dumps, and this run as a baseline for later ones."""
    if any((folder / "codes").glob("meta_*.json")):
        write_manifest(folder / "codes")
    if info is None or not cases:
        return
    baseline = Baseline(
        suite=suite.name,
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config_sha256=config.sha256,
        codes_conditions=codes_conditions(config, info),
        timing_conditions=timing_conditions(config, info),
        provenance=info.provenance.to_dict(),
        cases=list(cases),
    )
    write_baseline_file(baseline, folder)


def _judged(
    suite: Suite,
    config: Config,
    info: EngineInfo | None,
    results: list[CaseResult],
    reference: Reference,
    notes: list[str],
) -> SuiteResult:
    cases = [result.judged for result in results]
    verdicts = judge(suite.gates, suite.pins, config, cases, reference)
    status = exit_status(verdicts, suite.gates, cases)
    aggregates = aggregate([case.observations for case in cases if case.observations is not None])
    line = headline(verdicts, status, cases)
    return SuiteResult(suite, config, info, results, aggregates, verdicts, status, line, reference, notes)
