"""What ``sweep`` reports: the model of its summary.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from ttsctl.core.config import Config
from ttsctl.core.metric import Observation, definitions_of, metric
from ttsctl.core.provenance import Provenance
from ttsctl.report.summary import Model, Summary
from ttsctl.runs.job import JobResult
from ttsctl.sweep.conclusions import Judgement
from ttsctl.sweep.expectation import Answer
from ttsctl.sweep.machines import CodeGroup, Machine, MachineSpread, code_groups, machine_spreads, machines
from ttsctl.sweep.metrics import COUNTED, TIMED_PERCENTILES
from ttsctl.sweep.rows import ConditionRow
from ttsctl.sweep.run import SweepResult, by_machine
from ttsctl.sweep.topk import TopkRow, topk_rows

CSV, MARKDOWN = "decision_table.csv", "decision_table.md"


class Figure(Model):
    """One figure; ``value`` is null exactly where ``reason`` says why."""

    value: float | int | None
    unit: str
    reason: str | None

    @classmethod
    def of(cls, found: Observation) -> Figure:
        return cls(
            value=found.value if not isinstance(found.value, str) else None, unit=found.unit, reason=found.reason
        )


class Row(Model):
    """A condition, or several as one. ``skipped`` says why nothing of it was run."""

    name: str
    run: str = Field(description="stream, offline, codegen, decode or decode_offline")
    settings: dict[str, Any] = Field(description="what it changes in the configuration above")
    cases: int = Field(description="texts by voices")
    skipped: str | None
    first_error: str | None
    worst_case: str | None = Field(description="the text with the most different hashes; null if each text has one")
    power: str = Field(description="what the clean runs can claim")
    hosts: list[str]
    in_force: dict[str, Any] | None = Field(default=None, description="settings read back in its first run")
    metrics: dict[str, Figure]

    @classmethod
    def of(cls, row: ConditionRow, in_force: Mapping[str, Any] | None = None) -> Row:
        return cls(
            name=row.name,
            run=row.run,
            settings=dict(row.settings),
            cases=row.cases,
            skipped=row.skipped,
            first_error=row.first_error,
            worst_case=row.worst_case,
            power=row.power,
            hosts=list(row.hosts),
            in_force=dict(in_force) if in_force is not None else None,
            metrics={name: Figure.of(found) for name, found in row.metrics.items()},
        )


class Found(Model):
    """A conclusion on one row."""

    outcome: Answer
    detail: str


class Concluded(Model):
    """A conclusion as judged; ``findings`` by condition, by "all", or by "" for one between named conditions."""

    question: str
    expect: str
    over: str
    conditions: list[str]
    outcome: Answer
    reason: str
    findings: dict[str, Found]

    @classmethod
    def of(cls, judgement: Judgement) -> Concluded:
        conclusion = judgement.conclusion
        return cls(
            question=conclusion.question,
            expect=conclusion.expectation.text,
            over=conclusion.over,
            conditions=list(conclusion.conditions),
            outcome=judgement.outcome,
            reason=judgement.reason,
            findings={name: Found(outcome=f.outcome, detail=f.detail) for name, f in judgement.findings.items()},
        )


class ExperimentFacts(Model):
    """The experiment that was run."""

    name: str
    question: str
    path: str
    sha256: str = Field(description="over the bytes of the experiment's file")
    repeats: int
    warmup: int
    isolation: str
    reference: str = Field(description="the condition that the others are held against")
    texts: dict[str, str] = Field(description="by case")
    executor: str
    taken_up: int = Field(description="runs of an earlier sweep that was interrupted")


class SweepSummary(Summary):
    """summary.json of ``sweep``. ``config`` is what all conditions start from."""

    command: str = "sweep"
    experiment: ExperimentFacts
    conditions: list[Row]
    total: Row = Field(description="all runs as one row: what differs between conditions differs in it")
    conclusions: list[Concluded]
    codes: list[CodeGroup] = Field(description="text by text, the different codes and which conditions gave them")
    machines: list[Machine]
    by_machine: dict[str, dict[str, Row]] = Field(description="condition, machine; empty if all ran on one machine")
    machine_spreads: list[MachineSpread]
    topk: list[TopkRow] = Field(
        description="draws against the reference condition's, codebook by codebook, if recorded"
    )
    files: dict[str, str]


def summarise(result: SweepResult, base: Config, executor: str, here: Provenance) -> SweepSummary:
    """The summary of a sweep; ``base`` is the configuration under every condition, ``here`` this process's own."""
    first = next((r for r in result.results if r.provenance is not None), None)
    in_force = {r.condition: r.info.in_force for r in reversed(result.results) if r.info is not None}
    return SweepSummary(
        exit_status=result.status,
        headline=headline(result),
        config=base.to_dict(),
        config_sha256=base.sha256,
        provenance=(first.provenance if first and first.provenance else here).to_dict(),
        definitions=definitions(),
        notes=notes(result),
        experiment=_facts(result, executor),
        conditions=[Row.of(row, in_force.get(name)) for name, row in result.rows.items()],
        total=Row.of(result.total),
        conclusions=[Concluded.of(judgement) for judgement in result.judgements],
        codes=code_groups(result.results),
        machines=machines(result.results),
        by_machine={
            name: {machine: Row.of(row) for machine, row in rows.items()} for name, rows in by_machine(result).items()
        },
        machine_spreads=machine_spreads(result.results),
        topk=topk_rows(result.results, result.experiment.reference),
        files={"table": MARKDOWN, "csv": CSV, "codes": "codes/", "wav": "wav/"},
    )


def definitions() -> dict[str, str]:
    """Of every metric of a row; a percentile's is that of what was timed."""
    words = {50: "Median over the runs", 95: "95th percentile over the runs"}
    return definitions_of(*COUNTED) | {
        name: f"{words[q]}: {metric(base).definition}" for name, (base, q) in TIMED_PERCENTILES.items()
    }


def headline(result: SweepResult) -> str:
    """The result in one line: how the conclusions came out, and what was not run."""
    outcomes = [judgement.outcome for judgement in result.judgements]
    counted = [
        f"{outcomes.count(outcome)} {words}"
        for outcome, words in (("holds", "hold"), ("fails", "FAIL"), ("not judged", "not judged"))
        if outcome in outcomes
    ]
    said = f"{_count(len(outcomes), 'conclusion')}: {', '.join(counted)}" if outcomes else "no conclusion was asked for"
    skipped = sum(row.skipped is not None for row in result.rows.values())
    errors = sum(r.error is not None for r in result.results)
    runs = sum(r.clean for r in result.results)
    parts = [f"{_count(len(result.rows), 'condition')}, {_count(runs, 'run')}", said]
    parts += [f"{_count(skipped, 'condition')} skipped"] if skipped else []
    parts += [f"{_count(errors, 'run')} failed"] if errors else []
    return f"{result.experiment.name}: {'; '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def notes(result: SweepResult) -> list[str]:
    """What a reader should know before believing the table."""
    out = list(result.notes)
    if result.taken_up:
        out.append(f"{result.taken_up} runs are of an earlier sweep that was interrupted")
    checkpoints = {str(r.provenance.checkpoint_sha256) for r in result.results if r.provenance}
    if len(checkpoints) > 1 and "engine.checkpoint" not in result.experiment.varied:
        out.append(f"the runs used {len(checkpoints)} different checkpoints of one name: they cannot be compared")
    versions = {r.provenance.ttsctl for r in result.results if r.provenance}
    if len(versions) > 1:
        out.append(f"the workers have different versions of ttsctl: {', '.join(sorted(versions))}")
    out += [_unlike(name, [r for r in result.results if r.condition == name]) for name in result.rows]
    return [note for note in (*out, *(note for row in result.rows.values() for note in row.notes)) if note]


def _unlike(name: str, results: Sequence[JobResult]) -> str:
    """Which settings were not in force alike in all runs of a condition; "" if all were."""
    found = [r.info.in_force for r in results if r.info is not None]
    keys = [key for key in (found[0] if found else {}) if any(other.get(key) != found[0][key] for other in found)]
    return f"{name}: its runs had different settings in force: {', '.join(keys)}" if keys else ""


def _facts(result: SweepResult, executor: str) -> ExperimentFacts:
    experiment = result.experiment
    return ExperimentFacts(
        name=experiment.name,
        question=experiment.question,
        path=str(experiment.path),
        sha256=experiment.sha256,
        repeats=experiment.repeats,
        warmup=experiment.warmup,
        isolation=experiment.isolation,
        reference=experiment.reference,
        texts={case.id: case.request.text for case in experiment.cases},
        executor=executor,
        taken_up=result.taken_up,
    )
