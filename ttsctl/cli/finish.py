"""How every command ends: write the summary, print it or its headline, exit with its status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from ttsctl.report.summary import Summary


def finish(summary: Summary, home: Path | None, as_json: bool) -> NoReturn:
    """Print the summary as JSON, or its headline and path, on stdout; then exit with the summary's status.

    ``home`` is the run folder; None where the summary says why there is none.
    """
    if as_json:
        typer.echo(summary.model_dump_json(indent=1))
    else:
        typer.echo(summary.headline if home is None else f"{summary.headline} · {home / 'summary.json'}")
    raise typer.Exit(summary.exit_status)
