"""``ttsctl pop-align``: the pops of a recording, and whether another has the same ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption


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
    # Imported here so that --help does not pay for them.
    from ttsctl.audio.pop_alignment import compare_pops
    from ttsctl.audio.wav import read_audio
    from ttsctl.cli.finish import finish
    from ttsctl.core.machine import collect_provenance
    from ttsctl.report.console import open_console
    from ttsctl.report.pictures import draw_pops
    from ttsctl.report.pop_align import PICTURE, judge_pops, render, summarise, write_labels
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary

    _check_options(b, tolerance_ms, min_align)
    audio_a, audio_b = read_audio(a), read_audio(b) if b else None
    found = compare_pops((a, audio_a), (b, audio_b) if b and audio_b else None, tolerance_ms / 1000)
    status, failed = judge_pops(found, max_pops, min_align)
    summary = summarise(found, status, failed, collect_provenance())
    render(summary, open_console())
    with run_folder(out, "pop-align") as run:
        write_labels(found, run.path)
        draw_pops(run.path / PICTURE, found, audio_a, audio_b)
        write_summary(summary, run.path)
    finish(summary, run.home, as_json)


def _check_options(b: Path | None, tolerance_ms: float, min_align: float | None) -> None:
    from ttsctl.core.errors import InputError

    if not (math.isfinite(tolerance_ms) and tolerance_ms > 0):
        raise InputError(f"--tolerance-ms: expected a time above 0, got {tolerance_ms:g}", "2 ms is the default")
    if min_align is not None and math.isnan(min_align):
        raise InputError("--min-align: expected a share from 0 to 1, got nan", "0.9 asks for nine of ten pops")
    if min_align is not None and b is None:
        raise InputError("--min-align: expected two recordings, got one", "name B.wav too")
