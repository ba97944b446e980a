"""``ttsctl bench``: times code generation, decoding, pops, recording and cloning here, and checks and times a GPU."""

from __future__ import annotations

from typing import Annotated

import typer

from ttsctl.cli import bench_cuda
from ttsctl.cli.bench_report import report_bench
from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption, SetOption

app = typer.Typer(
    help="Time decode modes, pops, recording, or cloning; check and time a GPU.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("cuda")(bench_cuda.command)


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

    report_bench(BenchDecodeSummary, measure, render_decode, out, as_json)


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

    report_bench(BenchPopsSummary, measure, render_pops, out, as_json)


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

    report_bench(BenchTraceSummary, measure, render_trace, out, as_json)


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

    report_bench(BenchVoiceSummary, measure, render_voice, out, as_json)


@app.command("codegen")
def codegen(
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint", help="builtin, builtin-base, a folder or a hub id; default: released size, random weights."
        ),
    ] = None,
    size: Annotated[str, typer.Option("--size", help="Without a checkpoint: 0.6B or 1.7B.")] = "0.6B",
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to time.")] = 8,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="As backend.threads.")] = None,
    dtype: Annotated[str | None, typer.Option("--dtype", help="As engine.codegen_dtype.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of random weights.")] = 0,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Time a frame's stages on the CPU, beside the time that reading its weights takes there."""
    from ttsctl.engine.bench.codegen_bench import bench_codegen
    from ttsctl.report.bench_codegen import BenchCodegenSummary, render_codegen, summarise_codegen
    from ttsctl.runs.resolve_config import resolve_config

    named = {"backend.threads": threads, "engine.codegen_dtype": dtype}
    own = [f"{key}={value}" for key, value in named.items() if value is not None]
    config = resolve_config({"engine": {"device": "cpu"}}, None, [*own, *(sets or [])])

    def measure() -> BenchCodegenSummary:
        return summarise_codegen(bench_codegen(config, checkpoint, size, frames, seed, _tell), config)

    report_bench(BenchCodegenSummary, measure, render_codegen, out, as_json)


def _tell(what: str, done: int, total: int) -> None:
    typer.echo(f"{what} {done + 1} of {total}", err=True)
