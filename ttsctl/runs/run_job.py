"""One run of a sweep, in a worker: the engine of its condition, the run, and what is measured.

``python -m ttsctl.runs.run_job FOLDER`` does the job of a folder in a fresh interpreter, see ``_fresh``.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ttsctl.core.errors import EngineError, error_line
from ttsctl.runs.job import Job, JobResult
from ttsctl.runs.job_files import read_job, read_result, write_job, write_result

if TYPE_CHECKING:
    from ttsctl.core.engine import Engine
    from ttsctl.runs.timeout import TimedWorker

RESULT, STDERR = "result", "stderr.txt"
# CUDA does not recover from what a kernel did wrong: every later call in the process fails with the same words.
STICKY = "CUDA error"
# What a new interpreter may take to start, beyond the time of its run.
START_S = 30.0


def run_job(job: Job) -> JobResult:
    """Do a job; whatever goes wrong with it is in the result. Runs of one process take turns."""
    why = next((why for r in job.requires if (why := r.unmet(_there(r.resource))) is not None), None)
    if why is not None:
        return _no_run(job, skipped=why)
    if job.isolation == "process":
        return _fresh(job)
    return _cache().run(job)


def _no_run(job: Job, error: str | None = None, skipped: str | None = None) -> JobResult:
    return JobResult(job.condition, job.case, job.repeat, platform.node(), error=error, skipped=skipped)


@cache
def _there(resource: str) -> int:
    """How many CUDA devices, or cores that this process may use, there are here."""
    if resource == "cuda":
        from ttsctl.engine.placement import cuda_devices

        return cuda_devices()
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@cache
def _cache() -> EngineCache:
    """The process's one engine: loading it for every run would take longer than most runs."""
    return EngineCache()


class EngineCache:
    """Holds the engine of one condition at a time. Every request has fresh state; the weights stay.

    Between conditions the process-wide switches go back to what they were before the first engine.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._condition: tuple[str, str] | None = None
        self._engine: Engine | None = None
        self._worker: TimedWorker | None = None

    def run(self, job: Job) -> JobResult:
        from ttsctl.runs.timeout import GRACE_S, CaseTimeout, TimedWorker

        with self._lock:
            if self._worker is None:
                self._worker = TimedWorker()
            try:
                return self._worker.call(lambda cancelled: self._work(job, cancelled), job.timeout_s, GRACE_S)
            except CaseTimeout as error:
                if error.stuck:
                    # Its thread cannot be ended, so it is left behind with its engine, to end when it is done.
                    self._worker.close()
                    self._engine, self._condition, self._worker = None, None, None
                what = f"not finished after {job.timeout_s:g} s{', nor ended when told to' if error.stuck else ''}"
                line = error_line(EngineError(what, "raise timeout_s in the experiment"))
                return replace(_no_run(job, error=line), spoilt=error.stuck)
            except Exception as error:  # noqa: BLE001  an error of this run, which is counted
                line = error_line(error)
                return replace(_no_run(job, error=line), spoilt=STICKY in line)

    def close(self) -> None:
        """Free the engine and put the switches back."""
        with self._lock:
            self._drop()
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _work(self, job: Job, cancelled: threading.Event) -> JobResult:
        from ttsctl.runs.job_kinds import run_once, warm_up

        wanted = (job.condition, job.config.sha256)
        if self._engine is None or self._condition != wanted:
            self._load(job)
            warm_up(self._loaded(), job, cancelled)
            # Not before: an engine whose warm-up was cut short is no warm one for the next run.
            self._condition = wanted
        return run_once(self._loaded(), job, cancelled)

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise EngineError("the engine is gone")
        return self._engine

    def _load(self, job: Job) -> None:
        from ttsctl.runs.engines import load_engine

        self._drop()
        self._engine = load_engine(job.config)

    def _drop(self) -> None:
        engine, self._engine, self._condition = self._engine, None, None
        if engine is not None:
            engine.close()


def _fresh(job: Job) -> JobResult:
    """The job in an interpreter of its own: it starts with nothing that an earlier run left in the process."""
    with tempfile.TemporaryDirectory(prefix="ttsctl-job-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_job(folder, replace(job, isolation="state", requires=()))
        status = _interpreter(folder, job.timeout_s + START_S)
        if (folder / f"{RESULT}.json").exists():
            # What it left behind ended with it.
            return replace(read_result(folder, RESULT), spoilt=False)
        said = (folder / STDERR).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"exit status {status}" if status is not None else f"still running after {job.timeout_s + START_S:g} s"
        return _no_run(job, error=f"EngineError: its process ended without a result: {how}: {''.join(said[-1:])}")


def _interpreter(folder: Path, timeout_s: float) -> int | None:
    """Run ``main`` on the folder in a new process -> its exit status, or None if it had to be killed."""
    line = [sys.executable, "-m", "ttsctl.runs.run_job", str(folder)]
    with (folder / STDERR).open("wb") as said:
        # The open pipe tells the child that its parent lives. A session of its own keeps Ctrl-C away from it.
        child = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        child.kill()
        child.wait()
        if child.stdin is not None:
            child.stdin.close()


def _end_with_parent(folder: Path) -> None:
    # Not sys.stdin: a thread that waits in it would hold a lock that the interpreter's end needs.
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main(folder: Path) -> None:
    """Do the job in ``folder`` and leave its result there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), name="parent-watch", daemon=True).start()
    job = read_job(folder)
    write_result(folder, RESULT, run_job(job))
    _cache().close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
