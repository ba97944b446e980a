"""An explanation for people: on the console, and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from ttsctl.core.plurals import counted
from ttsctl.explain.draws import DrawPair, DrawSide
from ttsctl.explain.rounding_noise import Noise
from ttsctl.explain.summary import ExplainSummary
from ttsctl.report.console import MISSING, number, say, table

EXPLANATION = "explanation.md"
_COLUMNS = ("run", "taken", "best", "logit", "second", "logit", "gap")


def render(summary: ExplainSummary, console: Console) -> None:
    """Both sides of the draw, then everything else line by line, but for the headline, which stdout has."""
    if summary.draw is not None:
        console.print(_draw_table(summary.draw))
    for line in _details(summary):
        say(console, line)


def markdown(summary: ExplainSummary) -> str:
    """The page ``explanation.md``: the headline, both runs, and what ``render`` shows."""
    lines = [f"# {summary.headline}", "", f"A: {summary.a}  ", f"B: {summary.b}", ""]
    if summary.draw is not None:
        lines += [_draw_title(summary.draw), ""]
        lines += ["| " + " | ".join(row) + " |" for row in (_COLUMNS, ("---",) * len(_COLUMNS), *_rows(summary.draw))]
        lines.append("")
    return "\n".join([*lines, *(f"- {line}" for line in _details(summary))]) + "\n"


def _draw_table(draw: DrawPair) -> Table:
    sides = table(_draw_title(draw), *_COLUMNS)
    for row in _rows(draw):
        sides.add_row(*row)
    return sides


def _draw_title(draw: DrawPair) -> str:
    return f"draw {draw.codebook} of frame {draw.frame}"


def _rows(draw: DrawPair) -> list[tuple[str, ...]]:
    return [_cells("A", draw.a), _cells("B", draw.b)]


def _cells(name: str, side: DrawSide | None) -> tuple[str, ...]:
    if side is None:
        return (name, "cut", *(MISSING,) * (len(_COLUMNS) - 2))
    logits = [number(logit, ".7g") for logit in side.logits]
    return (name, str(side.id), str(side.best[0]), logits[0], str(side.best[1]), logits[1], number(side.gap, ".4g"))


def _details(summary: ExplainSummary) -> Iterator[str]:
    """Everything but the headline and the draw, one line each."""
    yield _compared(summary)
    first = summary.first
    if first is not None and first.inputs_equal is None:
        yield f"whether its inputs were equal is not known: {first.reason}"
    if summary.decode is not None and summary.decode != first:
        yield f"decoding differs on its own, over equal codes: {summary.decode.line}"
    yield from _gaps(summary)
    yield from _forced(summary)
    yield from _trials(summary)
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


def _gaps(summary: ExplainSummary) -> Iterator[str]:
    """How far gaps moved, and how far rounding noise moves them."""
    if summary.first is None or summary.drift_kind == "decode_change":
        return
    if summary.drift_kind == "real_change" and summary.kind_reason:
        yield f"a real change: {summary.kind_reason}"
    if summary.gap_change is not None:
        least = "" if summary.gap_exact else "at least "
        yield f"the gap of the best ids moved by {least}{summary.gap_change:.3g} at that draw"
    if summary.largest_gap_change is not None:
        over = "before it" if summary.drawn else "at all draws"
        against = _against_noise(summary.largest_gap_change, summary.noise)
        yield f"largest change of a gap {over}: {summary.largest_gap_change:.3g}{against}"
    noise = summary.noise
    if noise is not None:
        yield (
            f"rounding noise in {noise.precision}: up to {noise.bound:.3g} in {noise.changes} changes "
            f"({noise.draws} draws × {counted(noise.runs, 'run')} under last-bit jitter; median {noise.p50:.2g}, 99 % "
            f"{noise.p99:.2g}); a near-tie is a change up to the largest"
        )


def _against_noise(change: float, noise: Noise | None) -> str:
    """How a change compares with the rounding noise, as the end of a line."""
    if noise is None:
        return ""
    if change <= noise.bound:
        return ", within the rounding noise"
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


def _trials(summary: ExplainSummary) -> Iterator[str]:
    for trial in summary.rungs:
        what = f"graft of {trial.what} ({counted(trial.values, 'value')})"
        if trial.proven is None:
            yield f"graft of {trial.what}: not tried to the end: {trial.reason}"
        elif trial.still is None:
            proven = "" if trial.spread else ": proven of the stage" if trial.stages else ": proven"
            yield f"{what}: B then equals A from there on{proven}"
        else:
            still = trial.still
            yield f"{what}: not proven, B still differs: {still.label}, frame {still.frame}: {still.point}"


def _missing(summary: ExplainSummary) -> Iterator[str]:
    """What could not be told: one line for each reason."""
    if summary.first is None:
        return
    reasons = [(summary.proof_reason, "proof")]
    if summary.drift_kind != "decode_change":
        noise = None if summary.noise else summary.noise_reason
        cascade = None if summary.forced else summary.forced_reason
        reasons = [(noise, "measure of the rounding noise"), (cascade, "judgement without cascade"), *reasons]
    for reason in dict.fromkeys(reason for reason, _ in reasons if reason):
        yield f"no {', no '.join(what for why, what in reasons if why == reason)}: {reason}"
