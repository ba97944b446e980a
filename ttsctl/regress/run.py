"""A suite run and judged: case by case through the engine to figures, then to verdicts and an outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.outcome import Outcome
from ttsctl.core.verdict import Verdict
from ttsctl.dumps.manifest import write_manifest
from ttsctl.regress.aggregate import Aggregate, aggregate_cases
from ttsctl.regress.baseline import BaselineCase, baseline_case, write_baseline
from ttsctl.regress.case_runs import CaseRuns, save_runs
from ttsctl.regress.coverage import Coverage, coverage_of
from ttsctl.regress.judge import judge_gates, suite_outcome
from ttsctl.regress.measure import MeasuredCase, measure_case, unmeasured_case
from ttsctl.regress.reference import Reference, open_reference
from ttsctl.regress.runner import EngineFactory, FailedCase, Runner
from ttsctl.regress.suite import Suite
from ttsctl.runs.timeout import GRACE_S

# Called after each case: its id, how many cases are done, and how many there are.
CaseProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SuiteResult:
    """All that a run of a suite found. ``info`` is None if there was no case to load an engine for, ``coverage`` if
    there was no baseline.
    """

    suite: Suite
    config: Config
    info: EngineInfo | None
    cases: list[MeasuredCase]
    aggregates: dict[str, Aggregate]
    verdicts: list[Verdict]
    outcome: Outcome
    reference: Reference
    coverage: Coverage | None
    notes: list[str]


def run_suite(
    suite: Suite,
    config: Config,
    factory: EngineFactory,
    baseline_folder: Path | None,
    writing_baseline: bool,
    folder: Path,
    progress: CaseProgress | None = None,
    grace_s: float = GRACE_S,
    baseline_named: bool = False,
) -> SuiteResult:
    """Run and judge ``suite``. Audio, dumps and a baseline are written to ``folder``.

    ``baseline_named``: this run asks for the baseline, and not only its suite. With ``writing_baseline`` no baseline is
    read, because this run makes one. InputError for a broken baseline or an unwritable folder, and whatever loading the
    engine raises; a case that fails is in the result.
    """
    reference = open_reference(baseline_folder, writing_baseline, suite.cases, baseline_named)
    runner = Runner(suite, factory, grace_s)
    cases: list[MeasuredCase] = []
    as_baseline: list[BaselineCase] = []
    with contextlib.closing(runner.run_cases()) as outputs:
        for output in outputs:
            if runner.info is not None:
                reference = reference.under(config, runner.info)
            case = _measured(output, reference)
            cases.append(case)
            if isinstance(output, CaseRuns) and case.observations is not None:
                as_baseline.append(baseline_case(output, case.observations, config.stream.packet_tokens))
                save_runs(output, folder, config)
            if progress is not None:
                progress(case.case.id, len(cases), len(suite.cases))
    if any((folder / "codes").glob("meta_*.json")):
        write_manifest(folder / "codes")
    if runner.info is not None and as_baseline:
        write_baseline(suite.name, config, runner.info, as_baseline, folder)
    return _judged(suite, config, runner, cases, reference)


def _measured(output: CaseRuns | FailedCase, reference: Reference) -> MeasuredCase:
    if isinstance(output, FailedCase):
        return unmeasured_case(output)
    return measure_case(output, reference.target(output.case, output.info.sample_rate))


def _judged(
    suite: Suite, config: Config, runner: Runner, cases: list[MeasuredCase], reference: Reference
) -> SuiteResult:
    aggregates = aggregate_cases([case.observations for case in cases if case.observations is not None])
    verdicts = judge_gates(suite, config, cases, aggregates, reference)
    coverage = coverage_of(verdicts, suite.cases, reference)
    return SuiteResult(
        suite=suite,
        config=config,
        info=runner.info,
        cases=cases,
        aggregates=aggregates,
        verdicts=verdicts,
        outcome=suite_outcome(verdicts, suite.gates, cases, coverage),
        reference=reference,
        coverage=coverage,
        notes=[*(note for case in cases for note in case.notes), *runner.notes],
    )
