"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutOption = Annotated[Path, typer.Option("--out", help="Root of the run folders.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary, and nothing else, on stdout.")]
CheckpointOption = Annotated[
    str | None,
    typer.Option("--checkpoint", help="builtin, builtin-base, a folder or a hub id; as --set engine.checkpoint=…"),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be repeated.")
]
DEFAULT_OUT = Path("output")
