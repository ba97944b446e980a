"""``sweep`` as one call: an experiment becomes a judged table in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import write_summary
from ttsctl.runs.executors import open_pool
from ttsctl.runs.recorded_config import ConfigSource
from ttsctl.runs.resolve_config import chosen_sets, config_source, parse_set, resolve_config, with_settings
from ttsctl.runs.run_job import run_job
from ttsctl.runs.shipped import find_experiment
from ttsctl.sweep.artifacts import write_sweep_files
from ttsctl.sweep.changes import NO_CHANGES, Changes
from ttsctl.sweep.decision_table import write_tables
from ttsctl.sweep.experiment import Experiment, check_runs, load_experiment
from ttsctl.sweep.key import checkpoint_state, sweep_key
from ttsctl.sweep.result import SweepResult
from ttsctl.sweep.run import Progress, run_experiment
from ttsctl.sweep.run_rows import write_run_rows
from ttsctl.sweep.store import ResultStore, open_store
from ttsctl.sweep.summary import SweepSummary, summarise


@dataclass(frozen=True)
class SweepOptions:
    """What to sweep, and how.

    ``experiment`` is a path, or the name of a shipped one. ``repeats`` None: as the experiment says. ``executor`` and
    ``jobs``: see runs.executors.open_pool. ``fresh``: forget what an interrupted sweep has done. ``out``: the root of
    the run folders. ``config_file``: configuration tables over the experiment's own, of a file or of an earlier run;
    what the conditions vary lies over them. ``changes``: other texts, voices, codes and varied
    settings than the file's.
    """

    experiment: str
    out: Path
    repeats: int | None = None
    executor: str = "local"
    jobs: int = 1
    fresh: bool = False
    checkpoint: str | None = None
    sets: Sequence[str] = ()
    changes: Changes = NO_CHANGES
    config_file: Path | None = None


@dataclass(frozen=True)
class FinishedSweep:
    """The summary of a sweep, and the run folder that holds it."""

    summary: SweepSummary
    home: Path


def run_sweep(
    options: SweepOptions, opened: Callable[[ResultStore], None], progress: Progress | None = None
) -> FinishedSweep:
    """Run and judge an experiment, and write its run folder. An interrupted sweep goes on where it was.

    ``opened`` gets the store before the first run; whoever interrupts the sweep finds there what is kept. InputError
    for whatever is wrong with the options, the experiment or the input that its runs share.
    """
    experiment = load_experiment(find_experiment(options.experiment), options.changes)
    if options.repeats is not None:
        experiment = check_runs(replace(experiment, repeats=options.repeats))
    sets, over = chosen_sets(options.checkpoint, options.sets), config_source(options.config_file)
    base, configs = resolve_configs(experiment, sets, over)
    checkpoints = {config.engine.checkpoint for config in configs.values()}
    key = sweep_key(experiment, configs, {name: checkpoint_state(name) for name in checkpoints})
    with open_store(options.out / "sweep", experiment.name, key, options.fresh) as store:
        opened(store)
        with run_folder(options.out, SweepSummary) as folder:
            with open_pool(options.executor, options.jobs) as pool:
                result = run_experiment(experiment, configs, run_job, pool, store, progress)
            refuse_if_nothing_could_run(result, store)
            summary = _write(result, base, options, folder.path, store)
        store.remove()
    return FinishedSweep(summary, folder.home)


def changed_from_outside(options: SweepOptions) -> dict[str, Any]:
    """What the command line changed of the experiment, by the name of its option; empty for the experiment as it is."""
    file = None if options.config_file is None else str(options.config_file)
    sets = list(options.sets)
    told = {"repeats": options.repeats, "checkpoint": options.checkpoint, "config": file, "set": sets}
    return {**{name: value for name, value in told.items() if value}, **options.changes.as_told()}


def resolve_configs(
    experiment: Experiment, sets: list[str], over: ConfigSource | None = None
) -> tuple[Config, dict[str, Config]]:
    """The configuration under all conditions, and that of each condition by name.

    InputError for a setting of ``sets`` that the experiment varies: its conditions would no longer be what they say.
    """
    for item in sets:
        keys = {f"{table}.{key}" for table, values in parse_set(item).items() for key in values}
        if keys & experiment.varied:
            what = f"--set {item}: the conditions of {experiment.path} differ in this setting"
            raise InputError(what, f"vary it: --vary {next(iter(keys & experiment.varied))}=VALUE,VALUE,…")
    base = resolve_config(dict(experiment.config_tables), experiment.path, sets, over)
    where = f"experiment {experiment.path}"
    configs = {c.name: with_settings(base, c.settings, f"{where}: condition {c.name!r}") for c in experiment.conditions}
    return base, configs


def refuse_if_nothing_could_run(result: SweepResult, store: ResultStore) -> None:
    """InputError if every run that was not skipped failed with the same one, such as a checkpoint that does not exist.

    The store is removed, so that the next sweep does not go on with these failures.
    """
    prefix = f"{InputError.__name__}: "
    errors = {r.error for r in result.results if r.skipped is None}
    if len(errors) == 1 and str(*errors).startswith(prefix):
        store.remove()
        what, _, fix = str(*errors).removeprefix(prefix).rpartition("; ")
        raise InputError(what or fix, fix if what else "")


def _write(result: SweepResult, base: Config, options: SweepOptions, folder: Path, store: ResultStore) -> SweepSummary:
    """Dumps, first audio, tables and summary.json into ``folder``."""
    summary = summarise(result, base, options.executor, collect_provenance(), changed_from_outside(options))
    requests = {case.id: case.request for case in result.experiment.cases}
    write_sweep_files(folder, result.results, requests, result.configs, store.trace)
    write_tables(summary, folder)
    write_run_rows(folder, result.results, requests, result.experiment.reference)
    write_summary(summary, folder)
    return summary
