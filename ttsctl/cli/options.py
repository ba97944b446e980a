"""Options that several commands share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutOption = Annotated[Path, typer.Option("--out", help="Root of the run folders.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary, and nothing else, on stdout.")]
DEFAULT_OUT = Path("output")
