"""The rows of the table of conditions: all figures of a condition, or of several as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ttsctl.core.stalls import StalledRun
from ttsctl.dumps.diff import DiffKind
from ttsctl.runs.job import JobResult
from ttsctl.sweep.conditions import Condition, Settings
from ttsctl.sweep.drift_figures import case_table, drift_figures, first_diff_kind, hash_figures, power, worst_case
from ttsctl.sweep.metrics import Figure, missing
from ttsctl.sweep.reference_figures import reference_figures, topk_figures
from ttsctl.sweep.run_figures import (
    count_figures,
    find_stalled,
    pop_figures,
    size_figures,
    stall_figures,
    time_figures,
)
from ttsctl.sweep.run_table import first_runs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Setup:
    """What the runs of a row have in common. ``packet_tokens``: how many frames of first packets are compared."""

    name: str
    run: str
    settings: Settings
    packet_tokens: int


# By keyword alone, so that a field with a default may stand where the summary has it.
@dataclass(frozen=True, kw_only=True)
class ConditionRow:
    """A condition, or several as one.

    ``metrics`` has every name of sweep.metrics.METRICS. Hash counts and first differences are those of ``worst_case``.
    ``skipped`` says why no run was made, ``first_error`` what the first failure said.
    """

    name: str
    run: Annotated[str, Field(description="stream, offline, codegen, decode or decode_offline")]
    settings: Annotated[Settings, Field(description="what it changes in the configuration above")]
    cases: Annotated[int, Field(description="texts by voices")]
    skipped: str | None
    first_error: str | None
    worst_case: Annotated[
        str | None, Field(description="the text with the most different hashes; null if each text has one")
    ]
    power: Annotated[str, Field(description="what the clean runs can claim")]
    hosts: tuple[str, ...]
    first_diff_kind: Annotated[
        DiffKind | None, Field(description="how the codes part at first_diff_frame; null if all are equal")
    ] = None
    stalled: Annotated[
        tuple[StalledRun, ...] | None,
        Field(description="what stalled; null, with a reason in metrics, if unknown"),
    ] = None
    in_force: Annotated[Mapping[str, Any] | None, Field(description="settings read back in its first run")] = None
    metrics: Mapping[str, Figure]

    def value(self, metric: str) -> float | int | None:
        """The value of a metric; None if it is missing."""
        return self.metrics[metric].value


def setup_of(condition: Condition, packet_tokens: int) -> Setup:
    """The setup of one condition."""
    return Setup(condition.name, condition.run, condition.settings, packet_tokens)


def pooled(setups: Sequence[Setup]) -> Setup:
    """The setup of several conditions as one: what differs between them differs in its row.

    First packets are compared over the length of the shortest.
    """
    kinds = dict.fromkeys(setup.run for setup in setups)
    return Setup("all", "/".join(kinds), {}, min((setup.packet_tokens for setup in setups), default=1))


def row_of(setup: Setup, runs: pd.DataFrame, reference: pd.DataFrame) -> ConditionRow:
    """The row of ``runs``, in the order of their repeats; ``reference``: the runs of the reference condition.

    Both are parts of a run_table. A figure that cannot be had is missing and has its reason.
    """
    clean = runs[runs["clean"]]
    firsts = first_runs(reference[reference["clean"]])
    cases = case_table(clean, setup.packet_tokens)
    why_none, stalled = _why_none(runs), find_stalled(clean)
    figures = {
        **count_figures(runs),
        **hash_figures(clean, cases),
        **drift_figures(clean, cases),
        **reference_figures(clean, firsts),
        **topk_figures(clean, firsts),
        **pop_figures(clean),
        **size_figures(runs, clean),
        **stall_figures(stalled),
        **time_figures(clean),
    }
    if clean.empty:
        figures = {name: missing(name, why_none) if f.value is None else f for name, f in figures.items()}
    return ConditionRow(
        name=setup.name,
        run=setup.run,
        settings=setup.settings,
        cases=int(runs["case"].nunique()),
        skipped=why_none if len(runs) and runs["skipped"].notna().all() else None,
        first_error=next(iter(runs["error"].dropna()), None),
        worst_case=worst_case(cases),
        power=power(clean, cases, why_none),
        hosts=tuple(clean["host"].unique()),
        first_diff_kind=first_diff_kind(clean),
        stalled=stalled,
        metrics=figures,
    )


def settings_in_force(runs: pd.DataFrame) -> Mapping[str, Any] | None:
    """The settings that the engine of the first run read back; None if no engine was loaded."""
    results: Sequence[JobResult] = list(runs["result"])
    return next((result.info.in_force for result in results if result.info is not None), None)


def _why_none(runs: pd.DataFrame) -> str:
    """Why none of the runs is clean, if none is."""
    skipped = runs["skipped"]
    if len(runs) and skipped.notna().all():
        return f"skipped: {'; '.join(skipped.unique())}"
    return "every run failed" if len(runs) else "no run"
