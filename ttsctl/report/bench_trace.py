"""What ``bench trace`` reports: the cost of recording at every level."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.core.bench_results import LevelTime, TraceBench
from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.report.bench import Target, judge_target, say_targets, target_sentence
from ttsctl.report.summary import Summary

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
