"""Where runs are made: in this machine's own worker processes, or wherever an executor of another kind puts them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ttsctl.core.errors import EngineError, InputError
from ttsctl.core.processes import ignore_interrupts, interrupts_held
from ttsctl.runs.claimed_folder import JOB_FOLDER, sweep_abandoned
from ttsctl.runs.dask_pool import open_dask
from ttsctl.runs.job import Job, JobResult, Work

KILL_AFTER_S = 3.0
STOP_ARRIVES_S = 0.2


class Pool(Protocol):
    """Something that does jobs. ``width``: how many it takes at once; ``notes``: what a reader should know."""

    notes: list[str]

    @property
    def width(self) -> int: ...

    def submit(self, work: Work, job: Job) -> Future[JobResult]: ...

    def collect(self, future: Future[JobResult], job: Job) -> JobResult:
        """What a finished future gave; raises what the run raised, or what went wrong around it."""
        ...

    def renew(self) -> None:
        """Let the running jobs end; later ones go to new processes, if the pool can start any."""
        ...


class LocalPool:
    """``jobs`` spawned worker processes on this machine. They end when this process ends, however it ends.

    If a worker dies, the runs that were under way are errors, and the next run gets new workers.
    """

    def __init__(self, jobs: int) -> None:
        self.width = jobs
        self.notes: list[str] = []
        self._before = set(multiprocessing.active_children())
        self._executor = self._open()

    def _open(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.width, mp_context=context, initializer=start_worker)

    def submit(self, work: Work, job: Job) -> Future[JobResult]:
        with interrupts_held():
            try:
                return self._executor.submit(work, job)
            except BrokenProcessPool:
                self.renew()
                return self._executor.submit(work, job)

    def renew(self) -> None:
        self._executor.shutdown(wait=True)
        self._executor = self._open()

    def collect(self, future: Future[JobResult], job: Job) -> JobResult:
        try:
            return future.result()
        except BrokenProcessPool as error:
            # Whoever stops all processes of a service at once stops this one too: that is no crash of the worker.
            time.sleep(STOP_ARRIVES_S)
            beside = " (or one that ran beside it)" if self.width > 1 else ""
            what = f"the worker process that ran it{beside} died: killed, out of memory, or crashed"
            raise EngineError(what, "see the system's log") from error

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._executor.shutdown(wait=True)
            return
        self._executor.shutdown(wait=False, cancel_futures=True)
        workers = [child for child in multiprocessing.active_children() if child not in self._before]
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(KILL_AFTER_S)
            if worker.is_alive():
                worker.kill()
                worker.join()
        # A worker that is ended leaves the folder of its job.
        sweep_abandoned(Path(tempfile.gettempdir()), JOB_FOLDER)


def start_worker() -> None:
    """Prepare a worker process: Ctrl-C and a hang-up are its parent's to handle, and it ends when its parent ends."""
    ignore_interrupts()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def open_pool(executor: str, jobs: int) -> Iterator[Pool]:
    """The pool that ``--executor`` names: "local", with ``jobs`` processes, or "dask://HOST:PORT".

    InputError for anything else, for a missing package, and for an address that nobody answers at.
    """
    if executor == "local":
        with LocalPool(jobs) as pool:
            yield pool
    elif executor.startswith("dask://"):
        if jobs != 1:
            raise InputError(
                f"--jobs {jobs} with --executor {executor}: the cluster has its own workers", "leave it out"
            )
        with open_dask(executor.removeprefix("dask://")) as dask_pool:
            yield dask_pool
    else:
        raise InputError(f"--executor {executor!r}: expected local or dask://HOST:PORT", "correct the option")
