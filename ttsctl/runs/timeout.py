"""Work with a time limit, done in a thread of its own, so that an engine that hangs does not hang its caller."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ttsctl.core.errors import EngineError

Result = TypeVar("Result")

# An engine checks between packets whether to stop, so a healthy one stops well within this.
GRACE_S = 2.0


class CaseTimeout(EngineError):
    """The work took longer than its time limit. ``stuck``: it did not stop when told to, so its thread is lost."""

    def __init__(self, what: str, fix: str = "", stuck: bool = False) -> None:
        super().__init__(what, fix)
        self.stuck = stuck


class Cancelled(Exception):
    """Raised inside work that finds itself cancelled; nobody waits for its result any more."""


@dataclass
class _Task(Generic[Result]):
    """Work for the thread and, once ``done``, either its result or the error it raised."""

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


class TimedWorker:
    """One daemon thread that does one piece of work after another, each with a time limit.

    All work of an engine is done in one thread, because numeric libraries keep a thread pool for each calling thread.
    """

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[_Task[Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="ttsctl-case", daemon=True).start()

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.run()
            # Otherwise the arrays of this task would live until the next one comes.
            del task

    def call(self, work: Callable[[threading.Event], Result], timeout_s: float, grace_s: float) -> Result:
        """Do ``work(cancelled)`` and return its result, or raise what it raised.

        After ``timeout_s`` the event ``cancelled`` is set and CaseTimeout is raised. If the work has not stopped
        ``grace_s`` later, the error is ``stuck`` and this worker must not be used again.
        """
        task = _Task(work)
        self._tasks.put(task)
        try:
            finished = task.done.wait(min(timeout_s, threading.TIMEOUT_MAX))
        finally:
            task.cancelled.set()
        if not finished:
            stopped = task.done.wait(grace_s)
            raise CaseTimeout(
                f"timeout: not finished after {timeout_s:g} s",
                "raise timeout_s in the suite, or find out why the engine hangs",
                stuck=not stopped,
            )
        if isinstance(task.error, SystemExit):
            raise EngineError(f"the engine asked the process to exit with {task.error.code!r}") from task.error
        if task.error is not None:
            raise task.error
        return task.result[0]

    def close(self) -> None:
        """Let the thread end once it is idle; does not wait for it."""
        self._tasks.put(None)
