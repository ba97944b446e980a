"""Threads that share the blocks of one computation; which thread computes a block changes no bit of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import torch

# A helper that had nothing to do for so long ends; the next computation starts it again.
IDLE_S = 5.0
Item = TypeVar("Item")
Result = TypeVar("Result")


class RowPool:
    """The caller's thread and up to ``threads`` - 1 helpers, which take the next block whenever they are free.

    The blocks are the caller's and never depend on ``threads``, so neither do results. A block that a helper has begun
    and does not finish, because something else has its core, is computed again by the caller: the first result counts.
    Several threads may compute at once. Helpers start with the first computation and are none after ``close``.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, got {threads}")
        self.threads = threads
        self._lock = threading.Lock()
        self._forget()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """``function`` of every item, in order. It must not write to anything that it shares; it may run twice.

        What it raises is raised here.
        """
        if self.threads == 1 or len(items) < 2:
            return [function(item) for item in items]
        job = _Job(function, items)
        self._wake(min(self.threads, len(items)) - 1, job)
        started = time.perf_counter()
        own = job.work()
        # As long as one of its own blocks took, the caller waits for those that helpers have begun. It keeps its core
        # meanwhile: on a busy machine, who sleeps gets it back only milliseconds later.
        now = time.perf_counter()
        patient_until = now + (now - started) / max(own, 1)
        while not job.is_done():
            if time.perf_counter() > patient_until:
                job.finish()
            else:
                time.sleep(0)  # lets another thread of this process go on, without giving up the core
        return [job.results[index] for index in range(len(items))]

    def close(self) -> None:
        """End the helpers. Harmless twice; a later computation would start them again."""
        with self._lock:
            helpers, jobs = self._helpers, self._jobs
            here = self._process == os.getpid()
            self._forget()
        if here:
            for _ in helpers:
                jobs.put(None)
            for helper in helpers:
                helper.join()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._helpers: list[threading.Thread] = []
        self._jobs: SimpleQueue[_Job[Any, Any] | None] = SimpleQueue()

    def _wake(self, helpers: int, job: _Job[Item, Result]) -> None:
        with self._lock:
            # A fork copies the queue, but none of the threads that wait for it.
            if self._process != os.getpid():
                self._forget()
            self._helpers = [helper for helper in self._helpers if helper.is_alive()]
            while len(self._helpers) < self.threads - 1:
                self._helpers.append(_start_helper(self._jobs))
            for _ in range(helpers):
                self._jobs.put(job)


class _Job(Generic[Item, Result]):
    """One computation."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self.function = function
        self.items = items
        self.results: dict[int, Result] = {}
        self._next = itertools.count()

    def is_done(self) -> bool:
        return len(self.results) == len(self.items)

    def work(self) -> int:
        """Take block after block until none is left; how many it were."""
        for taken in itertools.count():
            # One step of the interpreter, so that no two threads take the same block.
            index = next(self._next)
            if index >= len(self.items):
                return taken
            self.results.setdefault(index, self.function(self.items[index]))
        raise AssertionError("count() does not end")

    def finish(self) -> None:
        """Compute what others have taken and not finished."""
        for index, item in enumerate(self.items):
            if index not in self.results:
                self.results.setdefault(index, self.function(item))


def _start_helper(jobs: SimpleQueue[_Job[Any, Any] | None]) -> threading.Thread:
    """A helper that knows nothing but its queue, so that it keeps no pool and no weights alive."""
    ready = threading.Event()
    helper = threading.Thread(target=_help, args=(jobs, ready), name="ttsctl-rows", daemon=True)
    helper.start()
    # Its operations take as many threads as are in force when it starts, which is now.
    ready.wait()
    return helper


def _help(jobs: SimpleQueue[_Job[Any, Any] | None], ready: threading.Event) -> None:
    torch.get_num_threads()
    ready.set()
    with torch.inference_mode():
        while True:
            try:
                job = jobs.get(timeout=IDLE_S)
            except Empty:
                return
            if job is None:
                return
            # The caller computes a block that failed here itself, and so meets the error.
            with contextlib.suppress(Exception):
                job.work()
            del job
