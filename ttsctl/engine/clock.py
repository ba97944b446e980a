"""The clock of a request, the same in every thread and process that works for it."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Milliseconds since a request began.

    ``time.monotonic`` and not ``perf_counter``: Python promises that it is one clock for the whole system (since 3.5),
    so a worker process may go on counting from the ``started_ns`` that it was handed.
    """

    started_ns: int

    @classmethod
    def start(cls) -> Clock:
        return cls(time.monotonic_ns())

    def now_ms(self) -> float:
        return (time.monotonic_ns() - self.started_ns) / 1e6
