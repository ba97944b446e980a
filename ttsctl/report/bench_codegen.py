"""What ``bench codegen`` reports: its summary and its table."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.core.bench_results import CodegenBench, CodegenStageTime
from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.report.console import print_notes
from ttsctl.report.summary import Summary

_DEFINED = ("floor_ms", "frame_cpu_ms", "memory_gb_s", "over_floor", "weight_bytes")


class BenchCodegenSummary(Summary):
    """summary.json of ``bench codegen``."""

    command: str = "bench-codegen"
    network: str
    frames: int
    threads: int
    dtype: str
    stages: tuple[CodegenStageTime, ...]
    frame_ms: float
    frame_fastest_ms: float
    frame_cpu_ms: float
    weight_bytes: int
    memory_gb_s: float
    floor_ms: float
    over_floor: float


def summarise_codegen(result: CodegenBench, config: Config) -> BenchCodegenSummary:
    """The summary of a bench that ran under ``config``."""
    headline = f"{result.frame_fastest_ms:.0f} ms a frame, {result.over_floor:.2f} x the floor by memory"
    return BenchCodegenSummary(
        exit_status=0,
        headline=f"{headline} of {result.floor_ms:.0f} ms",
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=result.in_force,
        provenance=result.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        network=result.network,
        frames=result.frames,
        threads=result.threads,
        dtype=result.dtype,
        stages=result.stages,
        frame_ms=result.frame_ms,
        frame_fastest_ms=result.frame_fastest_ms,
        frame_cpu_ms=result.frame_cpu_ms,
        weight_bytes=result.weight_bytes,
        memory_gb_s=result.memory_gb_s,
        floor_ms=result.floor_ms,
        over_floor=result.over_floor,
    )


def render_codegen(summary: BenchCodegenSummary, console: Console) -> None:
    """A table with a row a stage, then the frame, then the floor."""
    title = f"{summary.network}, {summary.dtype}, {summary.threads} threads: ms of {summary.frames} frames"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("median", "fastest", "slowest"):
        table.add_column(name, justify="right")
    for stage in summary.stages:
        table.add_row(stage.stage, f"{stage.ms:.1f}", f"{stage.fastest_ms:.1f}", f"{stage.slowest_ms:.1f}")
    table.add_row("frame", f"{summary.frame_ms:.1f}", f"{summary.frame_fastest_ms:.1f}", "")
    table.add_row("memory floor", f"{summary.floor_ms:.1f}", "", "")
    console.print(table)
    read = f"{summary.weight_bytes / 1e9:.2f} GB of weights a frame at {summary.memory_gb_s:.1f} GB/s"
    console.print(f"{read}; {summary.frame_cpu_ms:.0f} ms of CPU time a frame")
    print_notes(console, summary.notes)
