"""What ``explain`` reports: its summary, and the explanation in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ttsctl.core.metric import definitions_of
from ttsctl.core.plurals import counted
from ttsctl.core.provenance import Provenance
from ttsctl.core.trace import TraceLevel
from ttsctl.explain.divergence import Divergence
from ttsctl.explain.draws import DrawPair, DrawSide
from ttsctl.explain.graft import Rung
from ttsctl.explain.investigate import Investigation
from ttsctl.explain.rounding_noise import Kind, Noise
from ttsctl.explain.teacher_forcing import Forced
from ttsctl.report.summary import Summary
from ttsctl.runs.power import drift_bound

if TYPE_CHECKING:
    from rich.console import Console

EXPLANATION = "explanation.md"
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
class Context:
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
    text_sha256: str | None = Field(description="of the text that both spoke; null if neither says")
    runs: int | None = Field(description="runs of one configuration, up to the first that differed; null for two sides")
    drift_bound: float | None = Field(description="null where a run differed, or two sides were compared")
    level: TraceLevel = Field(description="the lower of both trace levels")
    drift_kind: Kind | None
    kind_reason: str | None = Field(description="why drift_kind is null, or what else led to it")
    codes_equal: bool
    first: Divergence | None = Field(description="the first divergence; null if nothing differs")
    decode: Divergence | None = Field(description="the first of decoding alone, over frames of equal codes")
    drawn: tuple[int, int] | None = Field(description="frame and codebook of the first draw that took another id")
    draw: DrawPair | None = Field(description="both sides of that draw, or of the one that the divergence leads to")
    gap_change: float | None
    gap_exact: bool | None = Field(description="false: the gap moved at least by gap_change")
    largest_gap_change: float | None
    largest_gap_reason: str | None
    noise: Noise | None
    noise_reason: str | None
    forced: Forced | None
    forced_reason: str | None
    proven: bool | None = Field(description="a graft of one place made B equal to A; null: none could be tried")
    proof_reason: str | None
    rungs: list[Rung]
    condition_differences: list[str] | None
    conditions_reason: str | None
    values_compared: int = Field(ge=0)
    values_unequal: int = Field(ge=0)


# Fields that the summary has under the same name.
_OF_CONTEXT = ("a", "b", "config", "config_sha256", "conditions_reason", "in_force", "runs", "text_sha256")
_OF_FOUND = ("forced", "forced_reason", "noise", "noise_reason", "proof_reason", "proven", "rungs")
_OF_COMPARISON = (
    *("codes_equal", "decode", "draw", "drawn", "first", "largest_gap_change", "level"),
    *("values_compared", "values_unequal"),
)


def summarise(found: Investigation, status: int, headline: str, context: Context) -> ExplainSummary:
    """The summary of a concluded investigation."""
    comparison, verdict = found.comparison, found.verdict
    clean = context.runs if comparison.first is None else None
    differences = context.condition_differences
    return ExplainSummary(
        exit_status=status,
        headline=headline,
        provenance=context.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=[*context.notes, *comparison.notes],
        drift_bound=None if clean is None else drift_bound(clean),
        drift_kind=verdict.kind,
        kind_reason=verdict.reason,
        gap_change=verdict.gap_change,
        gap_exact=verdict.exact,
        largest_gap_reason=comparison.gap_reason,
        condition_differences=None if differences is None else list(differences),
        **_fields(context, _OF_CONTEXT),
        **_fields(found, _OF_FOUND),
        **_fields(comparison, _OF_COMPARISON),
    )


def _fields(of: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def render(summary: ExplainSummary, console: Console) -> None:
    """Both sides of the draw, and all else line by line; the headline is for stdout."""
    if summary.draw is not None:
        console.print(_draw_table(summary, summary.draw))
    for line in details(summary):
        _say(console, line)


def markdown(summary: ExplainSummary) -> str:
    """The same as a page."""
    lines = [f"# {summary.headline}", "", f"A: {summary.a}  ", f"B: {summary.b}", ""]
    if summary.draw is not None:
        rows = [_cells(name, side) for name, side in (("A", summary.draw.a), ("B", summary.draw.b))]
        lines += [_draw_title(summary.draw), ""]
        lines += ["| " + " | ".join(row) + " |" for row in (_COLUMNS, ("---",) * len(_COLUMNS), *rows)]
        lines.append("")
    return "\n".join([*lines, *(f"- {line}" for line in details(summary))]) + "\n"


def details(summary: ExplainSummary) -> Iterator[str]:
    """Everything but the headline and the draw, a line each."""
    yield _compared(summary)
    first = summary.first
    if first is not None and first.inputs_equal is None:
        yield f"whether its inputs were equal is not known: {first.reason}"
    if summary.decode is not None and summary.decode != first:
        yield f"decoding differs on its own, over equal codes: {summary.decode.line}"
    yield from _margins(summary)
    yield from _forced(summary)
    yield from _proof(summary)
    yield from _missing(summary)
    if summary.conditions_reason:
        yield f"conditions not compared: {summary.conditions_reason}"
    yield from (f"A against B: {line}" for line in summary.condition_differences or ())
    yield from (f"note: {note}" for note in summary.notes)


def _compared(summary: ExplainSummary) -> str:
    if summary.level == "none":
        return "compared the codes alone"
    if summary.level == "codes":
        return "compared codes and draws (level codes: no values of the network)"
    return f"compared {summary.values_compared} values at level {summary.level}, {summary.values_unequal} differ"


def _margins(summary: ExplainSummary) -> Iterator[str]:
    if summary.first is None or summary.drift_kind == "decode_change":
        return
    if summary.drift_kind == "real_change" and summary.kind_reason:
        yield f"a real change: {summary.kind_reason}"
    if summary.gap_change is not None:
        least = "" if summary.gap_exact else "at least "
        yield f"the gap of the best ids moved by {least}{summary.gap_change:.3g} at that draw"
    if summary.largest_gap_change is not None:
        over = "before it" if summary.drawn else "at all draws"
        within = _against_noise(summary.largest_gap_change, summary.noise)
        yield f"largest change of a gap {over}: {summary.largest_gap_change:.3g}{within}"
    noise = summary.noise
    if noise is not None:
        yield (
            f"rounding noise in {noise.precision}: up to {noise.bound:.3g} in {noise.changes} changes "
            f"({noise.draws} draws × {counted(noise.runs, 'run')} under last-bit jitter; median {noise.p50:.2g}, 99 % "
            f"{noise.p99:.2g}); a near-tie is a change up to the largest"
        )


def _against_noise(change: float, noise: Noise | None) -> str:
    """Of gaps that moved while the codes were equal: by rounding, or by more."""
    if noise is None or change <= noise.bound:
        return "" if noise is None else ", within the rounding noise"
    return (
        f", {change / noise.bound:.2g} times the rounding noise" if noise.bound else ", and there is no rounding noise"
    )


def _forced(summary: ExplainSummary) -> Iterator[str]:
    forced = summary.forced
    if forced is None:
        return
    line = (
        f"without cascade (A's codes forced through B): {forced.draws_differ} of {forced.draws} draws and "
        f"{forced.frames_differ} of {forced.frames} frames would have differed"
    )
    if forced.beyond_noise is not None:
        line += f"; the gap moved beyond the noise at {forced.beyond_noise} draws"
    yield line
    if forced.floor:
        yield f"warning: A's codes forced through A itself differ at {forced.floor} draws"


def _proof(summary: ExplainSummary) -> Iterator[str]:
    for rung in summary.rungs:
        what = f"graft of {rung.what} ({counted(rung.values, 'value')})"
        if rung.proven is None:
            yield f"graft of {rung.what}: not tried to the end: {rung.reason}"
        elif rung.still is None:
            proven = "" if rung.spread else ": proven of the stage" if rung.stages else ": proven"
            yield f"{what}: B then equals A from there on{proven}"
        else:
            still = rung.still
            yield f"{what}: not proven, B still differs: {still.label}, frame {still.frame}: {still.point}"


def _missing(summary: ExplainSummary) -> Iterator[str]:
    """What could not be told, and why: one line a reason."""
    if summary.first is None:
        return
    reasons = [(summary.proof_reason, "proof")]
    if summary.drift_kind != "decode_change":
        noise = None if summary.noise else summary.noise_reason
        cascade = None if summary.forced else summary.forced_reason
        reasons = [(noise, "measure of the rounding noise"), (cascade, "judgement without cascade"), *reasons]
    for reason in dict.fromkeys(reason for reason, _ in reasons if reason):
        yield f"no {', no '.join(what for why, what in reasons if why == reason)}: {reason}"


_COLUMNS = ("run", "taken", "best", "logit", "second", "logit", "gap")


def _draw_table(summary: ExplainSummary, draw: DrawPair) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=_draw_title(draw), title_justify="left", box=SIMPLE_HEAD)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "run" else "right")
    for name, side in (("A", draw.a), ("B", draw.b)):
        table.add_row(*_cells(name, side))
    return table


def _draw_title(draw: DrawPair) -> str:
    return f"draw {draw.codebook} of frame {draw.frame}"


def _cells(name: str, side: DrawSide | None) -> tuple[str, ...]:
    if side is None:
        return (name, "cut", *("–",) * (len(_COLUMNS) - 2))
    logits = ["–" if logit is None else f"{logit:.7g}" for logit in side.logits]
    gap = "–" if side.gap is None else f"{side.gap:.4g}"
    return name, str(side.id), str(side.best[0]), logits[0], str(side.best[1]), logits[1], gap


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
