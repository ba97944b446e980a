"""How every command ends: print the summary or its headline, and hand over the status of its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ttsctl.cli.streams import Output
from ttsctl.core.errors import CannotJudge
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.printable import message_line, printable

if TYPE_CHECKING:
    from ttsctl.report.summary import Summary


class Finished(typer.Exit):
    """A command came to its end with this status. Nothing else may end a process with status 1, nor any other Exit."""

    def __init__(self, status: ExitStatus) -> None:
        super().__init__(int(status))
        self.status = status


def finish(summary: Summary, home: Path | None, as_json: bool) -> NoReturn:
    """Print the summary as JSON, or its headline and path, on stdout; then raise Finished with the summary's status.

    ``home`` is the run folder; None where the summary says why there is none. CannotJudge if the JSON is asked for and
    stdout is closed.
    """
    where = None if home is None else str(home / "summary.json")
    if as_json:
        if isinstance(sys.stdout, Output) and sys.stdout.absent:
            fix = "open stdout, or leave --json out" if where is None else f"it is in {where}"
            raise CannotJudge("--json: stdout is closed, so nobody got the summary", fix)
        typer.echo(summary.to_json())
    else:
        headline = message_line(summary.headline)
        # A path is printed whole, for a script to take it.
        typer.echo(headline if where is None else f"{headline} · {printable(where)}")
    raise Finished(ExitStatus(summary.exit_status))
