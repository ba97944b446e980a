"""A thread that works for a suite, so that an engine that hangs does not hang the suite."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ttsctl.core.errors import EngineError

Result = TypeVar("Result")

# An engine looks up between packets, so a healthy one stops well within this.
GRACE_S = 2.0


class CaseTimeout(EngineError):
    """A job outlived its time. ``stuck``: it did not even stop when told to, so its thread is lost."""

    def __init__(self, what: str, fix: str = "", stuck: bool = False) -> None:
        super().__init__(what, fix)
        self.stuck = stuck


class Cancelled(Exception):
    """Raised inside a job that finds itself cancelled; nobody waits for its result any more."""


@dataclass
class _Job(Generic[Result]):
    """Work for the thread and, once ``done``, either its result or what it raised."""

    work: Callable[[threading.Event], Result]
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    result: list[Result] = field(default_factory=list)
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result.append(self.work(self.cancelled))
        except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
            self.error = error
        finally:
            self.done.set()


class Worker:
    """One daemon thread that does one job after another.

    All of an engine's work is done in one thread, for numeric libraries keep a thread pool for each caller.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="ttsctl-case", daemon=True).start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            # Otherwise the last job's arrays live until the next one comes.
            del job

    def call(self, work: Callable[[threading.Event], Result], timeout_s: float, grace_s: float) -> Result:
        """Do ``work(cancelled)`` and return its result or raise what it raised.

        After ``timeout_s`` the event is set and CaseTimeout raised; if the work has not stopped ``grace_s`` later,
        the error is ``stuck`` and this worker must not be used again.
        """
        job = _Job(work)
        self._jobs.put(job)
        try:
            finished = job.done.wait(min(timeout_s, threading.TIMEOUT_MAX))
        finally:
            job.cancelled.set()
        if not finished:
            stopped = job.done.wait(grace_s)
            raise CaseTimeout(
                f"timeout: not finished after {timeout_s:g} s",
                "raise timeout_s in the suite, or find out why the engine hangs",
                stuck=not stopped,
            )
        if isinstance(job.error, SystemExit):
            raise EngineError(f"the engine asked the process to exit with {job.error.code!r}") from job.error
        if job.error is not None:
            raise job.error
        return job.result[0]

    def close(self) -> None:
        """Let the thread end once it is idle; does not wait for it."""
        self._jobs.put(None)
