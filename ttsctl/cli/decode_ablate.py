"""``ttsctl decode-ablate``: one set of codes, several ways to decode it, and why they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption


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
    sets: SetOption = None,
    checkpoint: CheckpointOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Decode the same codes in several modes, and explain every difference.

    Exit status: 0 decoded and compared, 2 wrong input, or codes that do not fit the checkpoint, 3 the engine failed.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.ablate.artifacts import write_artifacts
    from ttsctl.ablate.run import ablate_codes
    from ttsctl.ablate.summary import summarise
    from ttsctl.ablate.tables import render
    from ttsctl.cli.finish import finish
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary
    from ttsctl.runs.resolve_config import chosen_sets

    found = ablate_codes(codes, chosen_sets(checkpoint, sets), variants or [], only or [])
    summary = summarise(found)
    render(summary, open_console())
    with run_folder(out, "decode-ablate") as run:
        write_artifacts(found, run.path)
        write_summary(summary, run.path)
    finish(summary, run.home, as_json)
