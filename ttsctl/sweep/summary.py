"""What ``sweep`` reports: the model of its summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of, metric
from ttsctl.core.provenance import Provenance
from ttsctl.report.summary import Model, Summary
from ttsctl.runs.job import JobResult
from ttsctl.sweep.conclusions import JudgedConclusion
from ttsctl.sweep.evaluate import ExpectationFinding
from ttsctl.sweep.expectation import Answer
from ttsctl.sweep.machines import CodeGroup, Machine, MachineSpread, code_groups, machine_spreads, machines
from ttsctl.sweep.metrics import COUNTED, MAXIMUM, TIMED_PERCENTILES
from ttsctl.sweep.result import SweepResult, rows_by_machine
from ttsctl.sweep.rows import ConditionRow
from ttsctl.sweep.run_rows import RUNS_CSV
from ttsctl.sweep.topk import TopkRow, topk_rows

CSV, MARKDOWN = "decision_table.csv", "decision_table.md"


class ConclusionEntry(Model):
    """A conclusion as judged; ``findings`` by condition, by "all", or by "" for one between named conditions."""

    question: str
    expect: str
    over: str
    conditions: list[str]
    outcome: Answer
    reason: str
    findings: dict[str, ExpectationFinding]


class GivenCodesEntry(Model):
    """Where given codes came from."""

    path: str
    sha256: str
    frames: int


class ExperimentEntry(Model):
    """The experiment that was run."""

    name: str
    question: str
    path: str
    sha256: str = Field(description="over the bytes of the experiment's file")
    repeats: int
    warmup: int
    isolation: str
    interleaved: bool = Field(description="the repeats of the conditions took turns, as a question is about times")
    reference: str = Field(description="the condition that the others are held against")
    texts: dict[str, str] = Field(description="by case; empty where codes are given")
    codes: dict[str, GivenCodesEntry] = Field(description="given codes by case; empty where conditions make theirs")
    changed: dict[str, Any] = Field(description="what the command line changed of the file, by option")
    executor: str
    taken_up: int = Field(description="runs of an earlier sweep that was interrupted")


class SweepSummary(Summary):
    """summary.json of ``sweep``. ``config`` is what all conditions start from."""

    command: str = "sweep"
    experiment: ExperimentEntry
    conditions: list[ConditionRow]
    total: ConditionRow = Field(description="all runs as one row: what differs between conditions differs in it")
    conclusions: list[ConclusionEntry]
    codes: list[CodeGroup] = Field(description="text by text, the different codes and which conditions gave them")
    machines: list[Machine]
    by_machine: dict[str, dict[str, ConditionRow]] = Field(
        description="condition, machine; empty if all ran on one machine"
    )
    machine_spreads: list[MachineSpread]
    topk: list[TopkRow] = Field(
        description="draws against the reference condition's, codebook by codebook, if recorded"
    )
    files: dict[str, str]


def summarise(
    result: SweepResult, base: Config, executor: str, here: Provenance, changed: Mapping[str, Any] | None = None
) -> SweepSummary:
    """The summary of a sweep; ``base`` is the configuration under every condition, ``here`` this process's own.

    ``changed``: what the command line changed of the experiment.
    """
    first = next((r.provenance for r in result.results if r.provenance is not None), here)
    return SweepSummary(
        exit_status=result.outcome.status,
        headline=result.outcome.headline,
        config=base.to_dict(),
        config_sha256=base.sha256,
        provenance=first.to_dict(),
        definitions=definitions(),
        notes=notes(result),
        experiment=_experiment_entry(result, executor, changed or {}),
        conditions=list(result.rows.values()),
        total=result.total,
        conclusions=[_conclusion_entry(judgement) for judgement in result.judgements],
        codes=code_groups(result.runs),
        machines=machines(result.runs),
        by_machine=rows_by_machine(result),
        machine_spreads=machine_spreads(result.runs),
        topk=topk_rows(result.results, result.experiment.reference),
        files={"table": MARKDOWN, "csv": CSV, "runs": RUNS_CSV, "codes": "codes/", "wav": "wav/"},
    )


def definitions() -> dict[str, str]:
    """The definition of every metric of a row; that of a percentile begins with the words for it."""
    words = {50: "Median over the runs", 95: "95th percentile over the runs", MAXIMUM: "Longest of the runs"}
    return definitions_of(*COUNTED) | {
        name: f"{words[q]}: {metric(timed).definition}" for name, (timed, q) in TIMED_PERCENTILES.items()
    }


def notes(result: SweepResult) -> list[str]:
    """What a reader should know before believing the table."""
    found = [*result.notes, *result.experiment.codes.notes]
    found += [str(stall) for row in result.rows.values() for stall in row.stalled or ()]
    if result.resumed:
        found.append(f"{result.resumed} runs are of an earlier sweep that was interrupted")
    checkpoints = {str(r.provenance.checkpoint_sha256) for r in result.results if r.provenance}
    if len(checkpoints) > 1 and "engine.checkpoint" not in result.experiment.varied:
        found.append(f"the runs used {len(checkpoints)} different checkpoints of one name: they cannot be compared")
    versions = {r.provenance.ttsctl for r in result.results if r.provenance}
    if len(versions) > 1:
        found.append(f"the workers have different versions of ttsctl: {', '.join(sorted(versions))}")
    by_condition = {name: [r for r in result.results if r.condition == name] for name in result.rows}
    found += [note for name, runs in by_condition.items() if (note := _different_settings(name, runs))]
    return found + [note for runs in by_condition.values() for note in _engine_notes(runs)]


def _different_settings(name: str, results: Sequence[JobResult]) -> str:
    """Which settings were not the same in force in all runs of a condition; "" if all were."""
    found = [r.info.in_force for r in results if r.info is not None]
    keys = [key for key in (found[0] if found else {}) if any(other.get(key) != found[0][key] for other in found)]
    return f"{name}: its runs had different settings in force: {', '.join(keys)}" if keys else ""


def _engine_notes(results: Sequence[JobResult]) -> list[str]:
    """What the engine noted in the clean runs of a condition, each note of a case once."""
    return list(dict.fromkeys(f"{r.case}: {note}" for r in results if r.clean and r.run for note in r.run.notes))


def _conclusion_entry(judgement: JudgedConclusion) -> ConclusionEntry:
    conclusion = judgement.conclusion
    return ConclusionEntry(
        question=conclusion.question,
        expect=conclusion.expectation.text,
        over=conclusion.over,
        conditions=list(conclusion.conditions),
        outcome=judgement.outcome,
        reason=judgement.reason,
        findings=dict(judgement.findings),
    )


def _experiment_entry(result: SweepResult, executor: str, changed: Mapping[str, Any]) -> ExperimentEntry:
    experiment = result.experiment
    return ExperimentEntry(
        name=experiment.name,
        question=experiment.question,
        path=str(experiment.path),
        sha256=experiment.sha256,
        repeats=experiment.repeats,
        warmup=experiment.warmup,
        isolation=experiment.isolation,
        interleaved=experiment.interleaved,
        reference=experiment.reference,
        texts={case.id: case.request.text for case in experiment.cases if case.id not in experiment.codes.by_case},
        codes={
            case: GivenCodesEntry(path=given.path, sha256=given.sha256, frames=len(given.codes))
            for case, given in experiment.codes.by_case.items()
        },
        changed=dict(changed),
        executor=executor,
        taken_up=result.resumed,
    )
