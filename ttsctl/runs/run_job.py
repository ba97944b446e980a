"""One run of a sweep, in a worker: the engine of its condition, the run, and what is measured.

``python -m ttsctl.runs.run_job FOLDER`` does the job that lies in a folder and leaves its result there.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

from ttsctl.core.engine import Engine
from ttsctl.core.errors import EngineError, error_line
from ttsctl.core.machine import schedulable_cores
from ttsctl.core.processes import ignore_interrupts
from ttsctl.runs.claimed_folder import JOB_FOLDER, claimed_folder, sweep_abandoned
from ttsctl.runs.engines import load_engine
from ttsctl.runs.job import Job, JobResult
from ttsctl.runs.job_files import SUMS, read_job, read_result, write_job, write_result
from ttsctl.runs.job_kinds import run_once, warm_up
from ttsctl.runs.requirement import Resource
from ttsctl.runs.timeout import GRACE_S, CaseTimeout, TimedWorker

RESULT, STDERR = "result", "stderr.txt"
# CUDA does not recover from what a kernel did wrong: every later call in the process fails with the same words.
STICKY = "CUDA error"
# How many engines stay loaded, and their weights together: enough for conditions that take turns on a small checkpoint.
# One of released size stays alone.
KEPT_ENGINES = 4
KEPT_BYTES = 2**28
# What a new interpreter may take to start, beyond the time of its run.
START_S = 30.0


def run_job(job: Job) -> JobResult:
    """Do a job; whatever goes wrong with it is in the result. The jobs of one process wait for each other."""
    unmet = next((why for r in job.requires if (why := r.unmet(_available(r.resource))) is not None), None)
    if unmet is not None:
        return _no_run(job, skipped=unmet)
    if job.isolation == "process":
        return _run_in_new_interpreter(job)
    return process_cache().run(job)


def _no_run(job: Job, error: str | None = None, skipped: str | None = None) -> JobResult:
    return JobResult(job.condition, job.case, job.repeat, platform.node(), error=error, skipped=skipped)


@cache
def _available(resource: Resource) -> int:
    """How many CUDA devices this machine has, or how many CPU cores this process may use."""
    if resource == "cuda":
        # It loads torch, which a job that asks for cores alone does not need.
        from ttsctl.engine.placement import cuda_devices

        return cuda_devices()
    return schedulable_cores()


@cache
def process_cache() -> EngineCache:
    """The one cache of this process: loading an engine for every run would take longer than most runs."""
    return EngineCache()


class EngineCache:
    """Keeps the engines of the last conditions, as many as ``KEPT_ENGINES`` and ``KEPT_BYTES`` allow, so that
    conditions can take turns without loading each time. Every request has fresh state; the weights stay.

    No condition inherits the process-wide switches of another, because an engine puts them back after each call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By condition and config, the one used last at the end; only engines that are warm.
        self._engines: dict[tuple[str, str], Engine] = {}
        self._worker: TimedWorker | None = None

    def run(self, job: Job) -> JobResult:
        """Do a job on the engine of its condition; whatever goes wrong with it is in the result."""
        with self._lock:
            if self._worker is None:
                self._worker = TimedWorker()
            try:
                return self._worker.call(lambda cancelled: self._work(job, cancelled), job.timeout_s, GRACE_S)
            except CaseTimeout as error:
                if error.stuck:
                    # A thread cannot be ended from outside, so it is left behind with its engines until it is done.
                    self._worker.close()
                    self._engines, self._worker = {}, None
                what = f"not finished after {job.timeout_s:g} s{', nor ended when told to' if error.stuck else ''}"
                line = error_line(EngineError(what, "raise timeout_s in the experiment"))
                return replace(_no_run(job, error=line), spoilt=error.stuck)
            except Exception as error:  # noqa: BLE001  an error of this run, which is counted
                line = error_line(error)
                return replace(_no_run(job, error=line), spoilt=STICKY in line)

    def close(self) -> None:
        """Free the engines and let their thread end. The cache can be used again."""
        with self._lock:
            self._drop_to(0)
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _work(self, job: Job, cancelled: threading.Event) -> JobResult:
        wanted = (job.condition, job.config.sha256)
        engine = self._engines.pop(wanted, None)
        if engine is None:
            # Room is made before: two large engines need not fit beside each other.
            self._drop_to(KEPT_ENGINES - 1)
            engine = load_engine(job.config)
            try:
                warm_up(engine, job, cancelled)
            except BaseException:
                # A warm-up that was cut short is done again, on a new engine.
                engine.close()
                raise
        self._engines[wanted] = engine
        return run_once(engine, job, cancelled)

    def _drop_to(self, most: int) -> None:
        """Close the engines that were used longest ago, until at most so many are left, and those are small."""
        while len(self._engines) > most or sum(map(_kept_bytes, self._engines.values())) > KEPT_BYTES:
            self._engines.pop(next(iter(self._engines))).close()


def _kept_bytes(engine: Engine) -> int:
    """What keeping an engine costs; more than is allowed for one that does not say."""
    said = getattr(engine, "weight_bytes", None)
    return said if isinstance(said, int) else KEPT_BYTES + 1


def _run_in_new_interpreter(job: Job) -> JobResult:
    """The job in an interpreter of its own, which has nothing that an earlier run left in its process."""
    temporary = Path(tempfile.gettempdir())
    sweep_abandoned(temporary, JOB_FOLDER)
    with claimed_folder(temporary, JOB_FOLDER) as folder:
        write_job(folder, replace(job, isolation="state", requires=()))
        status = _start_interpreter(folder, job.timeout_s + START_S)
        if (folder / f"{RESULT}{SUMS}").exists():
            # Whatever the run spoilt has ended with its interpreter.
            return replace(read_result(folder, RESULT), spoilt=False)
        said = (folder / STDERR).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"exit status {status}" if status is not None else f"still running after {job.timeout_s + START_S:g} s"
        return _no_run(job, error=f"EngineError: its process ended without a result: {how}: {''.join(said[-1:])}")


def _start_interpreter(folder: Path, timeout_s: float) -> int | None:
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
    """Wait until the parent closes the pipe, which it also does when it is killed; then end this process."""
    # Not sys.stdin: a thread that waits in it would hold a lock that the interpreter's end needs.
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def main(folder: Path) -> None:
    """Do the job in ``folder`` and leave its result there."""
    ignore_interrupts()
    threading.Thread(target=_end_with_parent, args=(folder,), name="parent-watch", daemon=True).start()
    job = read_job(folder)
    write_result(folder, RESULT, run_job(job))
    process_cache().close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
