"""``ttsctl regress``: run a suite, judge its gates, and say PASS or FAIL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.progress import items
from ttsctl.cli.request_options import ConfigOption
from ttsctl.report.console import open_console, say


def command(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="A suite file, or a shipped one: base, base_clone.")],
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Folder of an earlier run; default: the suite's baseline.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option("--write-baseline", help="Make this run a baseline in a new folder.")
    ] = None,
    offline_from_codes: Annotated[
        bool,
        typer.Option("--offline-from-codes", help="Decode the stream's codes offline: drift does not spoil its audio."),
    ] = False,
    checkpoint: CheckpointOption = None,
    config_file: ConfigOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Run a suite and judge its gates. Exit status: 0 all hold, 1 a gate failed, 2 bad input, 3 could not judge."""
    # Imported here so that --help does not pay for them.
    from ttsctl.regress.command import RegressOptions, run_regress
    from ttsctl.regress.tables import render

    console = open_console()
    options = RegressOptions(name, baseline, write_baseline, checkpoint, sets, out, offline_from_codes, config_file)
    with items("cases") as progress:
        run = run_regress(options, progress)
    render(run.summary, console)
    if run.no_history is not None:
        say(console, f"warning: the history has no line of this run: {run.no_history}")
    if write_baseline is not None and (why := run.publish(write_baseline)):
        say(console, f"no baseline written: {why}")
    finish(run.summary, run.home, as_json)
