"""What ``bench decode`` and ``bench pops`` report: their summaries and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.core.provenance import Provenance
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
# At released size on a CPU with packets of 4 frames and 25 of context; elsewhere they are shown, for what they say.
INCREMENTAL_LIMIT = 1.3
WINDOWED_LEAST = 5.0
DETECTOR_LEAST = 100.0
ALIGNMENT_LIMIT_S = 5.0
ALIGNMENT_AUDIO_S = 600.0


class Growth(Model):
    """How a packet's cost changes with its position."""

    slope_ms_a_packet: float
    slope_low: float
    slope_high: float
    first_quartile_ms: float
    last_quartile_ms: float
    ratio: float


class ModeTime(Model):
    """One decode mode; ``relative_cost`` is its ``frame_ms`` over oneshot's."""

    mode: str
    calls: int
    samples: int
    samples_expected: int
    wall_s: float
    seconds_a_second: float
    frame_ms: float | None
    relative_cost: float | None
    packet_ms: list[float]
    growth: Growth | None
    reason: str | None = Field(description="why a value is null")


class Target(Model):
    """A figure beside what it should reach; ``held`` is null, with a reason, where the figure is missing."""

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
    modes: list[ModeTime]
    targets: list[Target]


class DetectorTime(Model):
    audio_s: float
    wall_s: float
    cpu_s: float
    x_realtime: float
    pops: int


class AlignmentTime(Model):
    audio_s: float
    wall_s: float
    cpu_s: float
    coverage: float
    jumps: int
    jumps_of_expected_size: int
    jumps_expected: int


class BenchPopsSummary(Summary):
    """summary.json of ``bench pops``."""

    command: str = "bench-pops"
    detector: DetectorTime
    alignment: AlignmentTime
    targets: list[Target]


def judge_target(name: str, value: float | None, operator: Literal["<=", ">="], limit: float) -> Target:
    """``value operator limit``; a missing value holds nothing."""
    if value is None:
        return Target(name=name, value=None, operator=operator, limit=limit, held=None, reason="not measured")
    held = value <= limit if operator == "<=" else value >= limit
    return Target(name=name, value=value, operator=operator, limit=limit, held=held)


def summarise_decode(facts: dict[str, Any], config: Config, provenance: Provenance) -> BenchDecodeSummary:
    """The summary of a bench as plain values: codec, frames, rounds, modes, in_force."""
    base = next((mode["frame_ms"] for mode in facts["modes"] if mode["mode"] == "oneshot"), None)
    costs = {mode["mode"]: _ratio(mode["frame_ms"], base) for mode in facts["modes"]}
    modes = [ModeTime(**mode, relative_cost=costs[mode["mode"]]) for mode in facts["modes"]]
    gain = _ratio(costs["windowed"], costs["incremental"])
    targets = [
        judge_target("incremental / oneshot, a frame", costs["incremental"], "<=", INCREMENTAL_LIMIT),
        judge_target("windowed / incremental, a frame", gain, ">=", WINDOWED_LEAST),
    ]
    return BenchDecodeSummary(
        exit_status=0,
        headline="; ".join(map(target_sentence, targets)),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=facts["in_force"],
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_DECODE),
        notes=[f"{mode.mode}: {mode.reason}" for mode in modes if mode.reason and mode.mode != "oneshot"],
        codec=facts["codec"],
        frames=facts["frames"],
        rounds=facts["rounds"],
        packet_tokens=config.stream.packet_tokens,
        left_context=config.stream.left_context,
        modes=modes,
        targets=targets,
    )


def summarise_pops(facts: dict[str, Any], provenance: Provenance) -> BenchPopsSummary:
    """The summary of a bench as plain values: detector and alignment."""
    detector, alignment = DetectorTime(**facts["detector"]), AlignmentTime(**facts["alignment"])
    limit_s = ALIGNMENT_LIMIT_S * alignment.audio_s / ALIGNMENT_AUDIO_S
    targets = [
        judge_target("detector, x real time", detector.x_realtime, ">=", DETECTOR_LEAST),
        judge_target(f"alignment of {alignment.audio_s:g} s, s", alignment.wall_s, "<=", limit_s),
    ]
    return BenchPopsSummary(
        exit_status=0,
        headline="; ".join(map(target_sentence, targets)),
        config=None,
        config_sha256=None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_POPS),
        detector=detector,
        alignment=alignment,
        targets=targets,
    )


def render_decode(summary: BenchDecodeSummary, console: Console) -> None:
    """A row a mode (quarters and slope are of ms a packet, by position), then the targets."""
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
    """A row for the detector and one for the alignment, then the targets."""
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
    """A line a target, then the notes."""
    for line in [*map(target_sentence, targets), *(f"note: {note}" for note in notes)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def target_sentence(target: Target) -> str:
    """A figure and what it should reach, in one line."""
    if target.value is None:
        return f"{target.name}: {target.reason}"
    return f"{target.name} {target.value:.2f} (target {target.operator} {target.limit:g})"


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
