"""Running an experiment: every condition, case and repeat as a job, once each, and what came of them as a table."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from itertools import groupby

from ttsctl.core.config import Config
from ttsctl.core.errors import error_line
from ttsctl.runs.cases import Case
from ttsctl.runs.executors import Pool
from ttsctl.runs.job import Job, JobResult, Work
from ttsctl.sweep.conclusions import Judgement, exit_status, judge
from ttsctl.sweep.conditions import Condition
from ttsctl.sweep.experiment import Experiment
from ttsctl.sweep.machines import on_machines
from ttsctl.sweep.rows import ConditionRow, pooled, row_of, setup_of
from ttsctl.sweep.store import ResultStore

Progress = Callable[[JobResult, int, int], None]


@dataclass(frozen=True)
class SweepResult:
    """All that a sweep found. ``results`` in the order of conditions, cases and repeats; ``taken_up`` of them are of
    an earlier run that was interrupted. ``total``: all runs as one row.
    """

    experiment: Experiment
    configs: Mapping[str, Config]
    results: Sequence[JobResult]
    taken_up: int
    rows: Mapping[str, ConditionRow]
    total: ConditionRow
    judgements: Sequence[Judgement]
    status: int
    notes: Sequence[str]


def run_experiment(
    experiment: Experiment,
    configs: Mapping[str, Config],
    work: Work,
    pool: Pool,
    store: ResultStore,
    progress: Progress | None = None,
) -> SweepResult:
    """Do every job that ``store`` does not have yet, and judge. ``configs``: by condition.

    Decode runs come last, for they need the codes of the others. Whatever a run raises is that run's error; nothing is
    tried twice. Ctrl-C passes through, with all that is done in the store.
    """
    run = _Run(experiment, configs, work, pool, store, progress)
    run.phase([job for c in experiment.conditions if c.codes_of is None for job in run.jobs(c)])
    run.phase([job for c in experiment.conditions if c.codes_of is not None for job in run.decode_jobs(c)])
    return summed_up(experiment, configs, run.ordered(), run.taken_up, pool.notes)


def summed_up(
    experiment: Experiment,
    configs: Mapping[str, Config],
    results: Sequence[JobResult],
    taken_up: int = 0,
    notes: Sequence[str] = (),
) -> SweepResult:
    """The table and the conclusions of results, however they came."""
    of = {c.name: [r for r in results if r.condition == c.name] for c in experiment.conditions}
    setups = {c.name: setup_of(c, configs[c.name].stream.packet_tokens) for c in experiment.conditions}
    reference = of[experiment.reference]
    rows = {name: row_of(setup, of[name], reference) for name, setup in setups.items()}

    def pool(names: Sequence[str]) -> ConditionRow:
        return row_of(pooled([setups[name] for name in names]), [r for name in names for r in of[name]], reference)

    judgements = [judge(conclusion, rows, pool) for conclusion in experiment.conclusions]
    return SweepResult(
        experiment=experiment,
        configs=configs,
        results=results,
        taken_up=taken_up,
        rows=rows,
        total=pool(list(of)),
        judgements=judgements,
        status=exit_status(judgements),
        notes=notes,
    )


def by_machine(result: SweepResult) -> dict[str, dict[str, ConditionRow]]:
    """The table split by machine: condition -> machine id -> row. Empty where all ran on one."""
    machines = on_machines(result.results)
    if len(machines) < 2:
        return {}
    reference = [r for r in result.results if r.condition == result.experiment.reference]
    out: dict[str, dict[str, ConditionRow]] = {}
    for condition in result.experiment.conditions:
        setup = setup_of(condition, result.configs[condition.name].stream.packet_tokens)
        split = {name: [r for r in runs if r.condition == condition.name] for name, runs in machines.items()}
        out[condition.name] = {name: row_of(setup, runs, reference) for name, runs in split.items() if runs}
    return out


class _Run:
    """One sweep in progress."""

    def __init__(
        self,
        experiment: Experiment,
        configs: Mapping[str, Config],
        work: Work,
        pool: Pool,
        store: ResultStore,
        progress: Progress | None,
    ) -> None:
        self._experiment = experiment
        self._configs = configs
        self._work = work
        self._pool = pool
        self._store = store
        self._progress = progress
        self._done: dict[str, JobResult] = {}
        self._settled: tuple[object, ...] | None = None
        self.taken_up = 0

    def jobs(self, condition: Condition) -> list[Job]:
        return [
            self._job(condition, case, repeat)
            for case in self._experiment.cases
            for repeat in range(1, self._experiment.repeats + 1)
        ]

    def decode_jobs(self, condition: Condition) -> list[Job]:
        """The jobs whose codes there are; the others are skipped."""
        out = []
        for job in self.jobs(condition):
            source = self._done.get(f"{condition.codes_of}/{job.case}/1")
            if source is None or source.codes is None:
                said = (source.error or source.skipped) if source else "it was not run"
                why = f"no codes of {condition.codes_of!r}: {said}"
                self._finish(JobResult(condition.name, job.case, job.repeat, platform.node(), skipped=why))
            else:
                out.append(replace(job, codes=source.codes))
        return out

    def _job(self, condition: Condition, case: Case, repeat: int) -> Job:
        experiment = self._experiment
        return Job(
            condition=condition.name,
            case=case.id,
            repeat=repeat,
            config=self._configs[condition.name],
            request=case.request,
            run=condition.run,
            requires=condition.requires,
            isolation=experiment.isolation,
            warmup=experiment.warmup,
            timeout_s=experiment.timeout_s,
            measure=experiment.measure,
        )

    def phase(self, jobs: Iterable[Job]) -> None:
        """Do these jobs, as many at a time as the pool takes.

        What a process settles once and for all is settled anew: jobs that differ in it do not share a process.
        """
        waiting = [job for job in jobs if not self._take_up(job)]
        for settled, group in groupby(waiting, key=_settled):
            if self._settled not in (None, settled):
                self._pool.renew()
            self._settled = settled
            self._all(deque(group))

    def _all(self, waiting: deque[Job]) -> None:
        running: dict[Future[JobResult], Job] = {}
        while waiting or running:
            while waiting and len(running) < self._pool.width:
                job = waiting.popleft()
                running[self._pool.submit(self._work, job)] = job
            done = wait(running, return_when=FIRST_COMPLETED).done
            results = [self._store.add(self._outcome(future, running.pop(future))) for future in done]
            for result in results:
                self._finish(result)
            if any(result.spoilt for result in results):
                self._pool.renew()

    def _outcome(self, future: Future[JobResult], job: Job) -> JobResult:
        """What the run gave, or what it raised as its error."""
        try:
            return self._pool.collect(future, job)
        except Exception as error:  # noqa: BLE001  a run that ends so is an error of its condition, not the sweep's
            return JobResult(job.condition, job.case, job.repeat, platform.node(), error=error_line(error))

    def ordered(self) -> list[JobResult]:
        """All results, in the order of the experiment."""
        return [self._done[job.id] for c in self._experiment.conditions for job in self.jobs(c)]

    def _take_up(self, job: Job) -> bool:
        earlier = self._store.resumed.get(job.id)
        if earlier is None:
            return False
        self.taken_up += 1
        self._finish(earlier)
        return True

    def _finish(self, result: JobResult) -> None:
        self._done[result.id] = result
        if self._progress is not None:
            experiment = self._experiment
            total = len(experiment.conditions) * len(experiment.cases) * experiment.repeats
            self._progress(result, len(self._done), total)


def _settled(job: Job) -> tuple[object, ...]:
    """What a process takes from its first run alone.

    The cuBLAS workspace is read once, when CUDA starts; strict has one of its own. And torch keeps the plan of a
    convolution that cuDNN's benchmark or its heuristics found, and takes it again whatever the flag then says
    (aten/src/ATen/native/cudnn/Conv_v8.cpp, ``benchmark_cache``).
    """
    backend = job.config.backend
    return backend.cublas_workspace, job.config.determinism.level == "strict", bool(backend.cudnn_benchmark)
