"""``ttsctl regress``: run a suite, judge its gates, and say PASS or FAIL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.report.console import open_console

if TYPE_CHECKING:
    from rich.console import Console


def command(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or the name of a shipped one: base.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Folder of an earlier run; default: the suite's baseline.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="Make this run a baseline in a new folder.")
    ] = None,
    sets: SetOption = None,
    checkpoint: CheckpointOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Run a suite and judge its gates. Exit status: 0 all hold, 1 a gate failed, 2 bad input, 3 could not judge."""
    # Imported here so that --help does not pay for them.
    from ttsctl.regress.command import RegressOptions, run_regress
    from ttsctl.regress.tables import render

    console = open_console()
    options = RegressOptions(name, baseline, write_baseline, checkpoint, sets, out)
    with _progress(console) as progress:
        run = run_regress(options, progress)
    render(run.summary, console)
    if write_baseline is not None and (why := run.publish(write_baseline)):
        console.print(f"no baseline written: {why}", style="bold red")
    finish(run.summary, run.home, as_json)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over the cases, where the console is a terminal."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("cases", total=None)

        def show(case: str, done: int, total: int) -> None:
            bar.update(task, description=case, completed=done, total=total)

        yield show
