"""What ``explain`` reports: the summary of a concluded investigation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import Outcome
from ttsctl.core.provenance import Provenance
from ttsctl.core.trace import TraceLevel
from ttsctl.explain.divergence import Divergence
from ttsctl.explain.draws import DrawPair
from ttsctl.explain.graft import GraftTrial
from ttsctl.explain.investigate import Investigation
from ttsctl.explain.rounding_noise import DriftKind, Noise
from ttsctl.explain.teacher_forcing import ForcedDraws
from ttsctl.report.summary import Summary
from ttsctl.runs.power import drift_bound

_DEFINED = (
    "drift_bound",
    "drift_kind",
    "first_divergence",
    "forced",
    "gap_change",
    "inputs_equal",
    "largest_gap_change",
    "noise",
    "rungs",
)


@dataclass(frozen=True)
class ExplainContext:
    """What was compared, and under which conditions. ``runs``: how many of one configuration were made, in all."""

    a: str
    b: str
    text_sha256: str | None
    runs: int | None
    condition_differences: Sequence[str] | None
    conditions_reason: str | None
    config: dict[str, dict[str, Any]] | None
    config_sha256: str | None
    in_force: dict[str, Any] | None
    provenance: Provenance
    notes: Sequence[str] = field(default_factory=tuple)


class ExplainSummary(Summary):
    """summary.json of ``explain``: B against A. ``config`` is A's."""

    command: str = "explain"
    a: str
    b: str
    text_sha256: Annotated[str | None, Field(description="of the text that both spoke; null if neither says")]
    runs: Annotated[
        int | None, Field(description="runs of one configuration, up to the first that differed; null for two sides")
    ]
    drift_bound: Annotated[float | None, Field(description="null where a run differed, or two sides were compared")]
    level: Annotated[TraceLevel, Field(description="the lower of both trace levels")]
    drift_kind: DriftKind | None
    kind_reason: Annotated[str | None, Field(description="why drift_kind is null, or what else led to it")]
    codes_equal: bool
    first: Annotated[Divergence | None, Field(description="the first divergence; null if nothing differs")]
    decode: Annotated[Divergence | None, Field(description="the first of decoding alone, over frames of equal codes")]
    drawn: Annotated[
        tuple[int, int] | None, Field(description="frame and codebook of the first draw that took another id")
    ]
    draw: Annotated[
        DrawPair | None, Field(description="both sides of that draw, or of the one that the divergence leads to")
    ]
    gap_change: float | None
    gap_exact: Annotated[bool | None, Field(description="false: the gap moved at least by gap_change")]
    largest_gap_change: float | None
    largest_gap_reason: str | None
    noise: Noise | None
    noise_reason: str | None
    forced: ForcedDraws | None
    forced_reason: str | None
    proven: Annotated[
        bool | None, Field(description="a graft of one place made B equal to A; null: none could be tried")
    ]
    proof_reason: str | None
    rungs: list[GraftTrial]
    condition_differences: list[str] | None
    conditions_reason: str | None
    values_compared: Annotated[int, Field(ge=0)]
    values_unequal: Annotated[int, Field(ge=0)]


def summarise(found: Investigation, outcome: Outcome, context: ExplainContext) -> ExplainSummary:
    """The summary of a concluded investigation."""
    comparison, verdict = found.comparison, found.verdict
    clean_runs = context.runs if comparison.first is None else None
    differences = context.condition_differences
    return ExplainSummary(
        exit_status=int(outcome.status),
        headline=outcome.headline,
        config=context.config,
        config_sha256=context.config_sha256,
        in_force=context.in_force,
        provenance=context.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=[*context.notes, *comparison.notes],
        a=context.a,
        b=context.b,
        text_sha256=context.text_sha256,
        runs=context.runs,
        drift_bound=None if clean_runs is None else drift_bound(clean_runs),
        level=comparison.level,
        drift_kind=verdict.kind,
        kind_reason=verdict.reason,
        codes_equal=comparison.codes_equal,
        first=comparison.first,
        decode=comparison.decode,
        drawn=comparison.drawn,
        draw=comparison.draw,
        gap_change=verdict.gap_change,
        gap_exact=verdict.exact,
        largest_gap_change=comparison.largest_gap_change,
        largest_gap_reason=comparison.gap_reason,
        noise=found.noise,
        noise_reason=found.noise_reason,
        forced=found.forced,
        forced_reason=found.forced_reason,
        proven=found.proven,
        proof_reason=found.proof_reason,
        rungs=list(found.trials),
        condition_differences=None if differences is None else list(differences),
        conditions_reason=context.conditions_reason,
        values_compared=comparison.values_compared,
        values_unequal=comparison.values_unequal,
    )
