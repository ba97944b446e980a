"""What ``bench voice`` reports: its summary and its table."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.core.bench_results import VoiceBench, VoiceStage
from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.report.console import print_notes
from ttsctl.report.summary import Summary

_DEFINED = ("reference_second_ms", "wall_x_realtime", "voice_stage")


class BenchVoiceSummary(Summary):
    """summary.json of ``bench voice``."""

    command: str = "bench-voice"
    network: str
    seconds: float
    frames: int
    rounds: int
    stages: tuple[VoiceStage, ...]


def summarise_voice(result: VoiceBench, config: Config) -> BenchVoiceSummary:
    """The summary of a bench that ran under ``config``."""
    return BenchVoiceSummary(
        exit_status=0,
        headline="; ".join(map(_sentence, result.stages)),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=result.in_force,
        provenance=result.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        network=result.network,
        seconds=result.seconds,
        frames=result.frames,
        rounds=result.rounds,
        stages=result.stages,
    )


def render_voice(summary: BenchVoiceSummary, console: Console) -> None:
    """A table with a row a stage."""
    title = f"{summary.network}: a reference of {summary.seconds:g} s, {summary.frames} frames, "
    title += f"medians of {summary.rounds} rounds"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("ms", "fastest", "slowest", "ms a second", "x real time"):
        table.add_column(name, justify="right")
    for stage in summary.stages:
        whole = (f"{ms:.2f}" for ms in (stage.ms, stage.fastest_ms, stage.slowest_ms))
        each = (
            "–" if value is None else f"{value:.1f}" for value in (stage.reference_second_ms, stage.wall_x_realtime)
        )
        table.add_row(stage.stage, *whole, *each)
    console.print(table)
    print_notes(console, summary.notes)


def _sentence(stage: VoiceStage) -> str:
    """A stage and its figure, in a few words."""
    if stage.wall_x_realtime is None:
        return f"{stage.stage} {stage.ms:.2f} ms"
    return f"{stage.stage} {stage.wall_x_realtime:.1f} x real time"
