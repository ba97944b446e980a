"""``ttsctl pop-align``: the pops of a recording, and whether another has the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption
from ttsctl.report.console import open_console


def command(
    a: Annotated[Path, typer.Argument(metavar="A.wav", help="A recording: wav or flac.")],
    b: Annotated[Path | None, typer.Argument(metavar="[B.wav]", help="Another, to align with it.")] = None,
    tolerance_ms: Annotated[float, typer.Option("--tolerance-ms", help="How far apart two pops may be.")] = 2.0,
    max_pops: Annotated[
        int | None, typer.Option("--max-pops", min=0, help="Exit 1 if a recording has more pops than this.")
    ] = None,
    min_align: Annotated[
        float | None,
        typer.Option("--min-align", min=0.0, max=1.0, help="Exit 1 if a smaller share of the pops aligns, either way."),
    ] = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Find pops, align those of two recordings, and say where B lost or gained samples against A.

    Exit status: 0; 1 only if --max-pops or --min-align is given and not met; 2 wrong input; 3 nothing to align.
    """
    # Imported here so that --help does not pay for it.
    from ttsctl.report.pop_align import PopAlignOptions, render, run_pop_align

    summary, home = run_pop_align(PopAlignOptions(a, b, tolerance_ms, max_pops, min_align), out)
    render(summary, open_console())
    finish(summary, home, as_json)
