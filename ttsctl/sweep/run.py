"""Running an experiment: every condition, case and repeat as a job, once each."""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from itertools import groupby

from ttsctl.core.config import Config
from ttsctl.core.errors import error_line
from ttsctl.core.run import DECODES, SPEAKS
from ttsctl.runs.executors import Pool
from ttsctl.runs.job import Job, JobResult, Work
from ttsctl.runs.texts import Case
from ttsctl.sweep.conditions import Condition
from ttsctl.sweep.experiment import Experiment
from ttsctl.sweep.result import SweepResult, judge_results
from ttsctl.sweep.store import ResultStore

# (result, runs done, runs in all)
# The condition of a finished run, how many runs are done, and how many there are.
Progress = Callable[[str, int, int], None]


def run_experiment(
    experiment: Experiment,
    configs: Mapping[str, Config],
    work: Work,
    pool: Pool,
    store: ResultStore,
    progress: Progress | None = None,
) -> SweepResult:
    """Do every job that ``store`` does not have yet, and judge the results. ``configs``: by condition.

    Decode runs come last, because they need the codes of the others; where a question is about times, last in each
    turn. Whatever a job raises is the error of its run, and no job is tried twice. An interruption passes through; what
    was done until then is in the store.
    """
    jobs = _JobRunner(experiment, configs, work, pool, store, progress)
    repeats = range(1, experiment.repeats + 1)
    for turn in [[repeat] for repeat in repeats] if experiment.interleaved else [repeats]:
        # Every other turn goes backwards, so that no condition is always the first one.
        order = experiment.conditions if turn[0] % 2 else experiment.conditions[::-1]
        jobs.run_all([job for c in order if c.run in SPEAKS for job in jobs.speaking(c, turn)])
        jobs.run_all([job for c in order if c.run in DECODES for job in jobs.with_codes(c, turn)])
    return judge_results(experiment, configs, jobs.results(), jobs.resumed, pool.notes)


class _JobRunner:
    """The jobs of one sweep and, as they are done, their results. ``resumed``: results that the store had already."""

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
        self._process_settings: tuple[object, ...] | None = None
        self.resumed = 0

    def of(self, condition: Condition, repeats: Sequence[int]) -> list[Job]:
        """The jobs of a condition, case by case."""
        return [
            self._job(condition, case, repeat) for case in self._experiment.cases_of(condition) for repeat in repeats
        ]

    def speaking(self, condition: Condition, repeats: Sequence[int]) -> list[Job]:
        """The jobs of a condition that makes codes. They are skipped where the experiment brings codes along."""
        jobs = self.of(condition, repeats)
        if not self._experiment.codes.by_case:
            return jobs
        for job in jobs:
            self._finish(_skipped(job, "codes are given, so that nothing is spoken"))
        return []

    def with_codes(self, condition: Condition, repeats: Sequence[int]) -> list[Job]:
        """The jobs of a condition that decodes, with the codes to decode. Jobs without codes are skipped."""
        given = self._experiment.codes.by_case
        if given:
            return [replace(job, codes=given[job.case].codes) for job in self.of(condition, repeats)]
        jobs = []
        for job in self.of(condition, repeats):
            source = self._done.get(f"{condition.codes_of}/{job.case}/1")
            if source is None or source.codes is None:
                said = (source.error or source.skipped) if source else "it was not run"
                why = f"no codes of {condition.codes_of!r}: {said}"
                self._finish(_skipped(job, why))
            else:
                jobs.append(replace(job, codes=source.codes))
        return jobs

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

    def run_all(self, jobs: Iterable[Job]) -> None:
        """Do those of the jobs that are not done yet, as many at a time as the pool takes.

        Jobs with different process settings do not share a process.
        """
        waiting = [job for job in jobs if not self._resume(job)]
        for settings, group in groupby(waiting, key=_process_settings):
            if self._process_settings not in (None, settings):
                self._pool.renew()
            self._process_settings = settings
            self._run_group(deque(group))

    def _run_group(self, waiting: deque[Job]) -> None:
        running: dict[Future[JobResult], Job] = {}
        while waiting or running:
            while waiting and len(running) < self._pool.width:
                job = waiting.popleft()
                running[self._pool.submit(self._work, job)] = job
            done = wait(running, return_when=FIRST_COMPLETED).done
            results = [self._store.add(self._result(future, running.pop(future))) for future in done]
            for result in results:
                self._finish(result)
            if any(result.spoilt for result in results):
                self._pool.renew()

    def _result(self, future: Future[JobResult], job: Job) -> JobResult:
        """What the job gave; what it raised is the error of its run."""
        try:
            return self._pool.collect(future, job)
        except Exception as error:  # noqa: BLE001  a run that fails is an error of its condition, not of the sweep
            return JobResult(job.condition, job.case, job.repeat, platform.node(), error=error_line(error))

    def results(self) -> list[JobResult]:
        """All results, in the order of the experiment."""
        repeats = range(1, self._experiment.repeats + 1)
        return [self._done[job.id] for c in self._experiment.conditions for job in self.of(c, repeats)]

    def _resume(self, job: Job) -> bool:
        """Whether the store has the job's result already, which then counts as done."""
        earlier = self._store.resumed.get(job.id)
        if earlier is None:
            return False
        self.resumed += 1
        self._finish(earlier)
        return True

    def _finish(self, result: JobResult) -> None:
        self._done[result.id] = result
        if self._progress is not None:
            self._progress(result.condition, len(self._done), self._experiment.run_count)


def _skipped(job: Job, why: str) -> JobResult:
    return JobResult(job.condition, job.case, job.repeat, platform.node(), skipped=why)


def _process_settings(job: Job) -> tuple[object, ...]:
    """The settings that a process takes from its first run and then keeps, whatever later runs ask for.

    The cuBLAS workspace is read once, when CUDA starts, and the level strict has a workspace of its own. torch keeps
    the plan of a convolution that cuDNN's benchmark or its heuristics found, and uses it again whatever the flag then
    says (aten/src/ATen/native/cudnn/Conv_v8.cpp, ``benchmark_cache``).
    """
    backend = job.config.backend
    return backend.cublas_workspace, job.config.determinism.level == "strict", bool(backend.cudnn_benchmark)
