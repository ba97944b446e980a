"""What the benches report: their summaries, their targets and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.audio.bench import AlignmentTime, DetectorTime, PopsBench
from ttsctl.core.bench_results import DecodeBench, LevelTime, ModeTime, TraceBench
from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.core.provenance import Provenance
from ttsctl.report.console import print_notes, say
from ttsctl.report.summary import Model, Summary

_DECODE = (
    "decode_calls",
    "frame_ms",
    "frames",
    "growth",
    "packet_ms",
    "relative_cost",
    "samples",
    "samples_expected",
    "seconds_a_second",
)
_POPS = ("x_realtime",)
# Meant for the released size on a CPU, with packets of 4 frames and a context of 25; also shown for anything else.
INCREMENTAL_LIMIT = 1.3
WINDOWED_LEAST = 5.0
DETECTOR_LEAST = 100.0
ALIGNMENT_LIMIT_S = 5.0
ALIGNMENT_AUDIO_S = 600.0


class Target(Model):
    """A figure and the limit that it should keep; ``held`` is null, with a reason, if the figure is missing."""

    name: str
    value: float | None
    operator: Literal["<=", ">="]
    limit: float
    held: bool | None
    reason: str | None = None


class BenchDecodeSummary(Summary):
    """summary.json of ``bench decode``."""

    command: str = "bench-decode"
    codec: str
    frames: int
    rounds: int
    packet_tokens: int
    left_context: int
    modes: tuple[ModeTime, ...]
    targets: list[Target]


class BenchPopsSummary(Summary):
    """summary.json of ``bench pops``."""

    command: str = "bench-pops"
    detector: DetectorTime
    alignment: AlignmentTime
    targets: list[Target]


def judge_target(name: str, value: float | None, operator: Literal["<=", ">="], limit: float) -> Target:
    """Whether ``value operator limit`` holds; null for a missing value."""
    if value is None:
        return Target(name=name, value=None, operator=operator, limit=limit, held=None, reason="not measured")
    held = value <= limit if operator == "<=" else value >= limit
    return Target(name=name, value=value, operator=operator, limit=limit, held=held)


def judge_decode(result: DecodeBench) -> list[Target]:
    """The targets of ``bench decode``."""
    costs = {mode.mode: mode.relative_cost for mode in result.modes}
    incremental, windowed = costs["incremental"], costs["windowed"]
    gain = windowed / incremental if windowed is not None and incremental else None
    return [
        judge_target("incremental / oneshot, a frame", incremental, "<=", INCREMENTAL_LIMIT),
        judge_target("windowed / incremental, a frame", gain, ">=", WINDOWED_LEAST),
    ]


def summarise_decode(result: DecodeBench, config: Config) -> BenchDecodeSummary:
    """The summary of a bench that ran under ``config``."""
    targets = judge_decode(result)
    return BenchDecodeSummary(
        exit_status=0,
        headline="; ".join(map(target_sentence, targets)),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=result.in_force,
        provenance=result.provenance.to_dict(),
        definitions=definitions_of(*_DECODE),
        notes=[f"{mode.mode}: {mode.reason}" for mode in result.modes if mode.reason and mode.mode != "oneshot"],
        codec=result.codec,
        frames=result.frames,
        rounds=result.rounds,
        packet_tokens=config.stream.packet_tokens,
        left_context=config.stream.left_context,
        modes=result.modes,
        targets=targets,
    )


def judge_pops_bench(result: PopsBench) -> list[Target]:
    """The targets of ``bench pops``; the alignment's limit goes with the length of its audio."""
    alignment = result.alignment
    limit_s = ALIGNMENT_LIMIT_S * alignment.audio_s / ALIGNMENT_AUDIO_S
    return [
        judge_target("detector, x real time", result.detector.x_realtime, ">=", DETECTOR_LEAST),
        judge_target(f"alignment of {alignment.audio_s:g} s, s", alignment.wall_s, "<=", limit_s),
    ]


def summarise_pops(result: PopsBench, provenance: Provenance) -> BenchPopsSummary:
    """The summary of a bench of the detector and the alignment."""
    targets = judge_pops_bench(result)
    return BenchPopsSummary(
        exit_status=0,
        headline="; ".join(map(target_sentence, targets)),
        config=None,
        config_sha256=None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_POPS),
        detector=result.detector,
        alignment=result.alignment,
        targets=targets,
    )


def render_decode(summary: BenchDecodeSummary, console: Console) -> None:
    """A table with a row a mode, then the targets. Quarters and slope are those of ms a packet by its position."""
    title = f"{summary.codec}: {summary.frames} frames in packets of {summary.packet_tokens}"
    title += f", context {summary.left_context}, fastest of {summary.rounds}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("mode")
    columns = (
        "s a second",
        "ms a frame",
        "x oneshot",
        "first quarter",
        "last quarter",
        "slope, ms",
        "calls",
        "samples",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for mode in summary.modes:
        growth = mode.growth
        table.add_row(
            mode.mode,
            f"{mode.seconds_a_second:.3f}",
            _shown(mode.frame_ms),
            _shown(mode.relative_cost),
            _shown(growth.first_quartile_ms if growth else None),
            _shown(growth.last_quartile_ms if growth else None),
            f"{growth.slope_low:+.2g} to {growth.slope_high:+.2g}" if growth else "–",
            str(mode.calls),
            f"{mode.samples - mode.samples_expected:+d}" if mode.samples != mode.samples_expected else "as expected",
        )
    console.print(table)
    say_targets(summary.targets, summary.notes, console)


def render_pops(summary: BenchPopsSummary, console: Console) -> None:
    """A table with a row for the detector and one for the alignment, then the targets."""
    table = Table(title="pops and alignment", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("what")
    for name in ("audio s", "wall s", "CPU s", "found"):
        table.add_column(name, justify="right")
    found = {"detector": f"{summary.detector.pops} pops", "alignment": f"{summary.alignment.jumps} jumps"}
    row: DetectorTime | AlignmentTime
    for name, row in (("detector", summary.detector), ("alignment", summary.alignment)):
        table.add_row(name, f"{row.audio_s:g}", f"{row.wall_s:.3f}", f"{row.cpu_s:.3f}", found[name])
    console.print(table)
    say_targets(summary.targets, summary.notes, console)


def say_targets(targets: Sequence[Target], notes: Sequence[str], console: Console) -> None:
    """Print a line a target, then the notes."""
    for target in targets:
        say(console, target_sentence(target))
    print_notes(console, notes)


def target_sentence(target: Target) -> str:
    """A figure and its limit, in one line."""
    if target.value is None:
        return f"{target.name}: {target.reason}"
    return f"{target.name} {target.value:.2f} (target {target.operator} {target.limit:g})"


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


_DEFINED = ("clock", "code_frame_ms", "decode_frame_ms", "draws", "frames", "prints", "trace_cost")
# What recording may cost: 5 % more at "codes", 50 % more at "modules".
LIMITS = {"codes": 1.05, "modules": 1.5}


class BenchTraceSummary(Summary):
    """summary.json of ``bench trace``."""

    command: str = "bench-trace"
    network: str
    frames: int
    rounds: int
    clock: str
    levels: tuple[LevelTime, ...]
    targets: list[Target]


def judge_trace(result: TraceBench) -> list[Target]:
    """The targets of ``bench trace``."""
    costs = {level.level: level.relative_cost for level in result.levels}
    return [judge_target(f"{name} / none", costs.get(name), "<=", limit) for name, limit in LIMITS.items()]


def summarise_trace(result: TraceBench, config: Config) -> BenchTraceSummary:
    """The summary of a bench that ran under ``config``."""
    targets = judge_trace(result)
    few = result.levels[0].relative_low is None
    return BenchTraceSummary(
        exit_status=0,
        headline="; ".join(map(target_sentence, targets)),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=result.in_force,
        provenance=result.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=[f"{result.rounds} rounds: too few for an interval, which takes 6"] if few else [],
        network=result.network,
        frames=result.frames,
        rounds=result.rounds,
        clock=result.clock,
        levels=result.levels,
        targets=targets,
    )


def render_trace(summary: BenchTraceSummary, console: Console) -> None:
    """A table with a row a level, then the targets."""
    title = f"{summary.network}: {summary.frames} frames, medians of {summary.rounds} rounds, {summary.clock} time"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("trace")
    for name in ("frames a s", "ms a frame", "codes", "decoding", "x none", "95 %", "prints a frame"):
        table.add_column(name, justify="right")
    for level in summary.levels:
        interval = "–" if level.relative_low is None else f"{level.relative_low:.3f} to {level.relative_high:.3f}"
        table.add_row(
            level.level,
            f"{level.frames_a_second:.2f}",
            f"{level.frame_ms:.2f}",
            f"{level.code_frame_ms:.2f}",
            f"{level.decode_frame_ms:.2f}",
            f"{level.relative_cost:.3f}",
            interval,
            f"{level.prints:.0f}",
        )
    console.print(table)
    say_targets(summary.targets, summary.notes, console)
