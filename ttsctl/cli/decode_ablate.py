"""``ttsctl decode-ablate``: one set of codes, several ways to decode it, and why they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.request_options import ConfigOption
from ttsctl.report.console import open_console


def command(
    codes: Annotated[
        Path, typer.Argument(metavar="CODES", help="A code file, its meta, or a folder or manifest of one.")
    ],
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="NAME:KEY=VALUE,…", help="Add a variant; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only these variants; may be repeated.")
    ] = None,
    ref_codes: Annotated[
        Path | None,
        typer.Option("--ref-codes", metavar="CODES", help="Codes of a cloned voice's reference, or its voice file."),
    ] = None,
    checkpoint: CheckpointOption = None,
    config_file: ConfigOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Decode the same codes in several modes, and explain every difference.

    Exit status: 0 decoded and compared, 2 wrong input, or codes that do not fit the checkpoint, 3 the engine failed.
    """
    # Imported here so that --help does not pay for it.
    from ttsctl.ablate.command import render, run_decode_ablate

    summary, home = run_decode_ablate(
        codes, variants or (), only or (), checkpoint, config_file, sets or (), out, ref_codes
    )
    render(summary, open_console())
    finish(summary, home, as_json)
