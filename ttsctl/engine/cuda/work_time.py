"""How long a stage's work takes: by the clock on the CPU, by events on a CUDA stream, where the host does not wait."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class StreamSpan:
    """What lies between two events on a CUDA stream."""

    begun: torch.cuda.Event
    ended: torch.cuda.Event

    def ms(self) -> float:
        """The time between the two, once the second is reached."""
        return float(self.begun.elapsed_time(self.ended))

    def read_ms(self) -> float:
        """Wait for the second -> ``ms``."""
        self.ended.synchronize()
        return self.ms()


class WorkTime:
    """Adds up the times of pieces of work on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._done_ms = 0.0
        self._queued: tuple[StreamSpan, ...] = ()

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Counts the work of the block. On CUDA that is what the block queues on the stream that is then current."""
        if self._device.type != "cuda":
            started = time.perf_counter()
            yield
            self._done_ms += (time.perf_counter() - started) * 1e3
            return
        stream = torch.cuda.current_stream(self._device)
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record(stream)
        yield
        ended.record(stream)
        self._collect()
        self._queued = (*self._queued, StreamSpan(begun, ended))

    def read_ms(self) -> float:
        """The sum so far, in ms; waits for what is still queued."""
        self._done_ms += sum(span.read_ms() for span in self._queued)
        self._queued = ()
        return self._done_ms

    def copy(self) -> WorkTime:
        """One that goes on from this sum."""
        return copy.copy(self)

    def _collect(self) -> None:
        """Add what has ended already, so that a long stream keeps few events."""
        while self._queued and self._queued[0].ended.query():
            self._done_ms += self._queued[0].ms()
            self._queued = self._queued[1:]
