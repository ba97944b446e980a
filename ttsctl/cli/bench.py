"""``ttsctl bench``: times decode modes, the detector and alignment of pops, recording, and cloning on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption, SetOption

if TYPE_CHECKING:
    from rich.console import Console

    from ttsctl.report.summary import Summary

S = TypeVar("S", bound="Summary")
app = typer.Typer(help="Time decode modes, pops, recording, or cloning.", no_args_is_help=True, rich_markup_mode=None)


@app.command("decode")
def decode(
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", help="builtin, builtin-base, a folder or a hub id; default: released size, random weights."
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames of random codes.")] = 48,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Times over; the fastest of each counts.")] = 2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of codes and random weights.")] = 0,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Time every decode mode on the same codes, and how a packet's cost grows with its position."""
    # Imported here so that --help does not pay for them.
    from ttsctl.engine.bench.decode_bench import bench_decode
    from ttsctl.report.bench import BenchDecodeSummary, render_decode, summarise_decode
    from ttsctl.runs.resolve_config import resolve_config

    config = resolve_config(None, None, sets or [])

    def measure() -> BenchDecodeSummary:
        return summarise_decode(bench_decode(config, checkpoint, frames, rounds, seed, _tell), config)

    _report(BenchDecodeSummary, measure, render_decode, out, as_json)


@app.command("pops")
def pops(
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Audio for the detector, in s.")] = 60.0,
    align_seconds: Annotated[float, typer.Option("--align-seconds", min=1, help="Audio to align, in s.")] = 600.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sound.")] = 0,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Time the pop detector and the alignment of two recordings, on speech-like sound made here."""
    from ttsctl.audio.bench import bench_pops
    from ttsctl.core.machine import collect_provenance
    from ttsctl.report.bench import BenchPopsSummary, render_pops, summarise_pops

    def measure() -> BenchPopsSummary:
        return summarise_pops(bench_pops(seconds, align_seconds, seed), collect_provenance())

    _report(BenchPopsSummary, measure, render_pops, out, as_json)


@app.command("trace")
def trace(
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", help="builtin, builtin-base, a folder or a hub id; default: released size, random weights."
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to speak in every run.")] = 8,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Times over; medians count.")] = 6,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of random weights.")] = 0,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Time code generation and decoding at every trace level: what recording costs."""
    from ttsctl.engine.bench.trace_bench import bench_trace
    from ttsctl.report.bench import BenchTraceSummary, render_trace, summarise_trace
    from ttsctl.runs.resolve_config import resolve_config

    config = resolve_config(None, None, sets or [])

    def measure() -> BenchTraceSummary:
        return summarise_trace(bench_trace(config, checkpoint, frames, rounds, seed, _tell), config)

    _report(BenchTraceSummary, measure, render_trace, out, as_json)


@app.command("voice")
def voice(
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", help="builtin-base, a folder or a hub id; default: released size, random weights."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Length of the reference, in s.")] = 5.0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Times over; medians count.")] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of random weights.")] = 0,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Time what cloning a voice costs: both encoders, priming the decoder, and copying its state."""
    from ttsctl.engine.bench.voice_bench import bench_voice
    from ttsctl.report.bench_voice import BenchVoiceSummary, render_voice, summarise_voice
    from ttsctl.runs.resolve_config import resolve_config

    config = resolve_config(None, None, sets or [])

    def measure() -> BenchVoiceSummary:
        return summarise_voice(bench_voice(config, checkpoint, seconds, rounds, seed, _tell), config)

    _report(BenchVoiceSummary, measure, render_voice, out, as_json)


def _report(
    summary_model: type[S], measure: Callable[[], S], render: Callable[[S, Console], None], out: Path, as_json: bool
) -> NoReturn:
    """Measure into a run folder, show the table, print the summary and exit with its status."""
    from ttsctl.cli.finish import finish
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary

    # The folder comes first: that it cannot be written is said before the minutes that a bench takes.
    with run_folder(out, summary_model) as run:
        summary = measure()
        write_summary(summary, run.path)
    render(summary, open_console())
    finish(summary, run.home, as_json)


def _tell(what: str, done: int, total: int) -> None:
    typer.echo(f"{what} {done + 1} of {total}", err=True)
