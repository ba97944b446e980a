"""``ttsctl sweep``: an experiment, to a table of conditions and a conclusion for every question it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption

if TYPE_CHECKING:
    from ttsctl.core.config import Config
    from ttsctl.runs.job import JobResult
    from ttsctl.sweep.experiment import Experiment
    from ttsctl.sweep.run import SweepResult
    from ttsctl.sweep.store import ResultStore
    from ttsctl.sweep.summary import SweepSummary


def command(
    name: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="An experiment file, or the name of a shipped one: threads.")
    ],
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, help="Runs of each text under each condition.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local worker processes.")] = 1,
    executor: Annotated[
        str, typer.Option("--executor", metavar="local|dask://HOST:PORT", help="Where runs are made.")
    ] = "local",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an interrupted sweep of this kind has done.")
    ] = False,
    checkpoint: CheckpointOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment and judge what it expects. An interrupted one goes on where it was when called again.

    Exit status: 0 every conclusion holds, 1 one fails, 2 bad input, 3 one could not be judged, or none was asked for.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.cli.finish import finish
    from ttsctl.report.run_folder import run_folder
    from ttsctl.runs.resolve_config import chosen_sets
    from ttsctl.runs.shipped import find_experiment
    from ttsctl.sweep.experiment import load_experiment
    from ttsctl.sweep.key import checkpoint_state, sweep_key
    from ttsctl.sweep.store import open_store
    from ttsctl.sweep.summary import SweepSummary
    from ttsctl.sweep.tables import render

    experiment = _with_repeats(load_experiment(find_experiment(name)), repeats)
    base, configs = resolved(experiment, chosen_sets(checkpoint, sets))
    checkpoints = {config.engine.checkpoint for config in configs.values()}
    key = sweep_key(experiment, configs, {name: checkpoint_state(name) for name in checkpoints})
    with open_store(out / "sweep", experiment.name, key, fresh) as store, _told_if_interrupted(store):
        _tell_taken_up(store)
        with run_folder(out, SweepSummary) as run:
            result = _run(experiment, configs, executor, jobs, store)
            refuse_if_nothing_could_run(result, store)
            summary = _written(result, base, executor, run.path, store)
        store.remove()
    render(summary)
    finish(summary, run.home, as_json)


def _with_repeats(experiment: Experiment, repeats: int | None) -> Experiment:
    from dataclasses import replace

    return experiment if repeats is None else replace(experiment, repeats=repeats)


def resolved(experiment: Experiment, sets: list[str]) -> tuple[Config, dict[str, Config]]:
    """The configuration under all conditions, and each condition's own.

    InputError for a setting of ``sets`` that the experiment varies: its conditions would no longer be what they say.
    """
    from ttsctl.core.errors import InputError
    from ttsctl.runs.resolve_config import parse_set, resolve_config, with_settings

    where = f"experiment {experiment.path}"
    for item in sets:
        keys = {f"{table}.{key}" for table, values in parse_set(item).items() for key in values}
        if keys & experiment.varied:
            what = f"--set {item}: the conditions of {experiment.path} differ in this setting"
            raise InputError(what, "change the experiment's file")
    base = resolve_config(dict(experiment.config_tables), experiment.path, sets)
    configs = {c.name: with_settings(base, c.settings, f"{where}: condition {c.name!r}") for c in experiment.conditions}
    return base, configs


def _run(
    experiment: Experiment, configs: Mapping[str, Config], executor: str, jobs: int, store: ResultStore
) -> SweepResult:
    from ttsctl.runs.executors import open_pool
    from ttsctl.runs.run_job import run_job
    from ttsctl.sweep.run import run_experiment

    with open_pool(executor, jobs) as pool, _progress() as tell:
        return run_experiment(experiment, configs, run_job, pool, store, tell)


def refuse_if_nothing_could_run(result: SweepResult, store: ResultStore) -> None:
    """InputError where every run there was said the same is wrong with the input: a checkpoint that is not there."""
    from ttsctl.core.errors import InputError

    prefix = f"{InputError.__name__}: "
    said = {r.error for r in result.results if r.skipped is None}
    if len(said) == 1 and str(*said).startswith(prefix):
        store.remove()
        what, _, fix = str(*said).removeprefix(prefix).rpartition("; ")
        raise InputError(what or fix, fix if what else "")


def _written(result: SweepResult, base: Config, executor: str, folder: Path, store: ResultStore) -> SweepSummary:
    from ttsctl.core.machine import collect_provenance
    from ttsctl.report.summary import write_summary
    from ttsctl.sweep.artifacts import write_artifacts
    from ttsctl.sweep.decision_table import write_tables
    from ttsctl.sweep.summary import summarise

    summary = summarise(result, base, executor, collect_provenance())
    requests = {case.id: case.request for case in result.experiment.cases}
    write_artifacts(folder, result.results, requests, result.configs, store.trace)
    write_tables(summary, folder)
    write_summary(summary, folder)
    return summary


def _tell_taken_up(store: ResultStore) -> None:
    if store.resumed:
        typer.echo(
            f"going on with an interrupted sweep: {len(store.resumed)} runs are done (--fresh forgets them)", err=True
        )


@contextlib.contextmanager
def _told_if_interrupted(store: ResultStore) -> Iterator[None]:
    """Ctrl-C ends with 130, as everywhere, but says what is kept."""
    from ttsctl.cli.main import Interrupted
    from ttsctl.core.outcome import ExitStatus

    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        done = store.count()
        if not done:
            raise
        kept = f"{done} runs are kept in {store.folder}; the same command goes on from there"
        typer.echo(f"ttsctl: interrupted; {kept}, --fresh starts anew", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED) from None


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[JobResult, int, int], None]]:
    """A bar over the runs, where the console is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("runs", total=None)

        def tell(result: JobResult, done: int, total: int) -> None:
            bar.update(task, description=result.condition, completed=done, total=total)

        yield tell
