"""``ttsctl bench cuda``: is the engine on this GPU right, and how fast is it?"""

from __future__ import annotations

from typing import Annotated

import typer

from ttsctl.cli.bench_report import report_bench
from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption, SetOption


def command(
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", help="0.6B, 1.7B (random weights), or a checkpoint; repeatable. Default: both sizes."),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=2, help="Frames of every run.")] = 24,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Runs of every setting.")] = 20,
    packets: Annotated[
        list[int] | None, typer.Option("--packet", min=1, help="Frames a packet; repeatable. Default: 1, 4 and 8.")
    ] = None,
    times: Annotated[bool, typer.Option("--times/--no-times", help="Measure times too.")] = True,
    tests: Annotated[bool, typer.Option("--tests/--no-tests", help="Run the tests marked cuda too.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of random weights.")] = 0,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Check the engine on a CUDA device, and time it: waits, hashes, kernels, graphs, batches, planted faults.

    Exit status: 0 every check that could be made holds, 1 one failed, 2 no such device, 3 none could be made.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.engine.bench.cuda.bench import bench_cuda
    from ttsctl.engine.bench.cuda.subject import Plan
    from ttsctl.report.bench_cuda import BenchCudaSummary, render_cuda, summarise_cuda
    from ttsctl.runs.resolve_config import resolve_config

    config = resolve_config(None, None, sets or [])
    plan = Plan(
        frames=frames,
        runs=runs,
        packets=tuple(packets or Plan.packets),
        sizes=tuple(sizes or Plan.sizes),
        times=times,
        tests=tests,
        seed=seed,
    )

    def measure() -> BenchCudaSummary:
        return summarise_cuda(bench_cuda(config, plan, lambda what: typer.echo(what, err=True)), config)

    report_bench(BenchCudaSummary, measure, render_cuda, out, as_json)
