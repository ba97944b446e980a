"""``ttsctl regress``: run a suite, judge its gates, and say PASS or FAIL."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption

if TYPE_CHECKING:
    from rich.console import Console

    from ttsctl.core.provenance import Provenance
    from ttsctl.regress.session import SuiteResult
    from ttsctl.regress.summary import RegressSummary


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
    from ttsctl.cli.finish import finish
    from ttsctl.regress.session import run_suite
    from ttsctl.regress.suite import load_suite
    from ttsctl.regress.summary import summarise
    from ttsctl.regress.tables import render
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.runs.engines import load_engine
    from ttsctl.runs.resolve_config import chosen_sets, resolve_config
    from ttsctl.runs.shipped import find_suite

    _check_targets(baseline, write_baseline)
    suite = load_suite(find_suite(name))
    config = resolve_config(dict(suite.config_tables), suite.path, chosen_sets(checkpoint, sets))
    console = open_console()
    with run_folder(out, "regress") as run:
        with _progress(console) as tell:
            writing = write_baseline is not None
            engine = partial(load_engine, config)
            result = run_suite(suite, config, engine, baseline or suite.baseline, writing, run.path, tell)
        summary = summarise(result, _provenance(result))
        _write_reports(summary, run.path)
    _remember(summary, out, run.home)
    render(summary, console)
    if write_baseline is not None:
        _publish(result, run.home, write_baseline, console)
    finish(summary, run.home, as_json)


def _check_targets(baseline: Path | None, write_baseline: Path | None) -> None:
    """Before minutes of work, not after."""
    from ttsctl.core.errors import InputError
    from ttsctl.regress.baseline import check_new_baseline

    if baseline is not None and write_baseline is not None:
        raise InputError("--baseline and --write-baseline: expected one of them, got both", "leave one out")
    if write_baseline is not None:
        check_new_baseline(write_baseline)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over the cases, where the console is a terminal."""
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("cases", total=None)

        def tell(case: str, done: int, total: int) -> None:
            bar.update(task, description=case, completed=done, total=total)

        yield tell


def _provenance(result: SuiteResult) -> Provenance:
    """The engine's; without an engine, that of this process."""
    from ttsctl.core.machine import collect_provenance

    return result.info.provenance if result.info else collect_provenance()


def _write_reports(summary: RegressSummary, folder: Path) -> None:
    from ttsctl.core.files import write_text
    from ttsctl.regress.html import regress_html
    from ttsctl.regress.junit import junit_xml
    from ttsctl.regress.summary import HTML, JUNIT
    from ttsctl.report.summary import write_summary

    write_text(folder / JUNIT, junit_xml(summary))
    write_text(folder / HTML, regress_html(summary))
    write_summary(summary, folder)


def _remember(summary: RegressSummary, out: Path, home: Path) -> None:
    from ttsctl.regress.summary import history_line
    from ttsctl.report.run_folder import append_history

    append_history(out, history_line(summary, str(home)))


def _publish(result: SuiteResult, home: Path, target: Path, console: Console) -> None:
    """The baseline of this run to ``target``, if it is one that later runs may be held against.

    A run that did not pass says so and keeps its own status; CannotJudge if it passed without showing equal codes.
    """
    from ttsctl.core.errors import CannotJudge
    from ttsctl.regress.baseline import publish_baseline, why_no_baseline

    if result.status:
        console.print("no baseline written: the run did not pass", style="bold red")
        return
    why = why_no_baseline([(case.judged.case.id, case.judged.observations) for case in result.cases])
    if why:
        raise CannotJudge(f"no baseline written: {why}", f"see {home / 'summary.json'}")
    publish_baseline(home, target)
