"""What a sweep found: the table of its conditions, its conclusions as judged, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ttsctl.core.config import Config
from ttsctl.core.outcome import Outcome
from ttsctl.runs.job import JobResult
from ttsctl.sweep.conclusions import JudgedConclusion, Table, judge_conclusion
from ttsctl.sweep.experiment import Experiment
from ttsctl.sweep.outcome import sweep_outcome
from ttsctl.sweep.rows import ConditionRow, pooled, row_of, settings_in_force, setup_of
from ttsctl.sweep.run_table import run_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SweepResult:
    """All that a sweep found.

    ``results`` stand in the order of conditions, cases and repeats; ``runs`` are the same as a run_table. ``resumed``
    of them were made by an earlier sweep that was interrupted. ``rows``: by condition. ``total``: all runs as one row.
    """

    experiment: Experiment
    configs: Mapping[str, Config]
    results: Sequence[JobResult]
    runs: pd.DataFrame
    resumed: int
    rows: Mapping[str, ConditionRow]
    total: ConditionRow
    judgements: Sequence[JudgedConclusion]
    outcome: Outcome
    notes: Sequence[str]


def judge_results(
    experiment: Experiment,
    configs: Mapping[str, Config],
    results: Sequence[JobResult],
    resumed: int = 0,
    notes: Sequence[str] = (),
) -> SweepResult:
    """The table and the conclusions of ``results``, which hold every run of the experiment."""
    runs = run_table(results, {c.name: c.run for c in experiment.conditions})
    setups = {c.name: setup_of(c, configs[c.name].stream.packet_tokens) for c in experiment.conditions}
    reference = runs[runs["condition"] == experiment.reference]

    def pooled_row(names: Sequence[str]) -> ConditionRow:
        return row_of(pooled([setups[name] for name in names]), runs[runs["condition"].isin(names)], reference)

    rows = {}
    for name, setup in setups.items():
        own = runs[runs["condition"] == name]
        rows[name] = replace(row_of(setup, own, reference), in_force=settings_in_force(own))

    def clean_runs(names: Sequence[str]) -> pd.DataFrame:
        return runs[runs["clean"] & runs["condition"].isin(names)]

    table = Table(rows, pooled_row, clean_runs, experiment.interleaved)
    judgements = [judge_conclusion(conclusion, table) for conclusion in experiment.conclusions]
    return SweepResult(
        experiment=experiment,
        configs=configs,
        results=results,
        runs=runs,
        resumed=resumed,
        rows=rows,
        total=pooled_row(list(setups)),
        judgements=judgements,
        outcome=sweep_outcome(experiment.name, judgements, rows, results),
        notes=notes,
    )


def rows_by_machine(result: SweepResult) -> dict[str, dict[str, ConditionRow]]:
    """The table split by machine: condition -> machine id -> row. Empty if all ran on one machine."""
    runs = result.runs
    machines = list(runs["machine"].dropna().unique())
    if len(machines) < 2:
        return {}
    reference = runs[runs["condition"] == result.experiment.reference]
    out: dict[str, dict[str, ConditionRow]] = {}
    for condition in result.experiment.conditions:
        setup = setup_of(condition, result.configs[condition.name].stream.packet_tokens)
        own = runs[runs["condition"] == condition.name]
        out[condition.name] = {
            machine: row_of(setup, own[own["machine"] == machine], reference)
            for machine in machines
            if (own["machine"] == machine).any()
        }
    return out
