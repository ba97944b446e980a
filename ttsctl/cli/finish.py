"""How every command ends: print the summary or its headline, and hand over the status of its verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from ttsctl.cli.streams import Output
from ttsctl.core.errors import CannotJudge
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.printable import message_line

if TYPE_CHECKING:
    from ttsctl.report.summary import Summary


class Finished(typer.Exit):
    """A command came to its end with this status. Nothing else may end a process with status 1, nor any other Exit."""

    def __init__(self, status: ExitStatus) -> None:
        super().__init__(int(status))
        self.status = status


def finish(summary: Summary, home: Path, as_json: bool) -> NoReturn:
    """Print the summary as JSON, or its headline and path, on stdout; then raise Finished with the summary's status.

    CannotJudge if the JSON is asked for and stdout is closed.
    """
    path = home / "summary.json"
    if as_json:
        if isinstance(sys.stdout, Output) and sys.stdout.absent:
            raise CannotJudge("--json: stdout is closed, so nobody got the summary", f"it is in {path}")
        typer.echo(summary.to_json())
    else:
        typer.echo(f"{message_line(summary.headline)} · {message_line(str(path))}")
    raise Finished(ExitStatus(summary.exit_status))
