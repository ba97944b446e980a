"""Vector clocks of host threads, streams and events: what is ordered before what."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Any, ClassVar

import torch

from tests.simcuda.findings import FOUND

REAL_QUEUE = queue.SimpleQueue
REAL_CONDITION = threading.Condition
LOCAL = threading.local()


class Clock(dict[str, int]):
    """How many operations of each stream are known to be complete, or ordered before what comes next."""

    def merge(self, other: Clock) -> None:
        for name, count in other.items():
            if count > self.get(name, 0):
                self[name] = count

    def copy(self) -> Clock:
        return Clock(self)


def host() -> Clock:
    """The calling thread's clock."""
    if not hasattr(LOCAL, "clock"):
        LOCAL.clock = Clock()
    clock: Clock = LOCAL.clock
    return clock


class Stream:
    """In place of ``torch.cuda.Stream``."""

    _all: ClassVar[weakref.WeakSet[Stream]] = weakref.WeakSet()
    _made = 0

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        Stream._made += 1
        self.device = torch.device("cuda", 0)
        self.name = f"stream {Stream._made}"
        self.clock = Clock()
        Stream._all.add(self)

    def __repr__(self) -> str:
        return self.name

    def launch(self) -> int:
        """One more operation, after all that the host and the stream know of -> its number."""
        self.clock.merge(host())
        self.clock[self.name] = self.clock.get(self.name, 0) + 1
        return self.clock[self.name]

    def wait_event(self, event: Event) -> None:
        self.clock.merge(event.clock)

    def wait_stream(self, other: Stream) -> None:
        self.clock.merge(other.clock)

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        FOUND.wait("Stream.synchronize")
        host().merge(self.clock)

    @classmethod
    def everyone(cls) -> list[Stream]:
        return [DEFAULT, *cls._all]


DEFAULT = Stream()
DEFAULT.name = "the default stream"


def current() -> Stream:
    return getattr(LOCAL, "stream", None) or DEFAULT


@contextlib.contextmanager
def use_stream(stream: Stream | None) -> Iterator[None]:
    """In place of ``torch.cuda.stream``."""
    before = getattr(LOCAL, "stream", None)
    LOCAL.stream = before if stream is None else stream
    try:
        yield
    finally:
        LOCAL.stream = before


class Event:
    """In place of ``torch.cuda.Event``. An event that was not recorded orders nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.clock = Clock()

    def record(self, stream: Stream | None = None) -> None:
        self.clock = (stream or current()).clock.copy()

    def wait(self, stream: Stream | None = None) -> None:
        (stream or current()).wait_event(self)

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        FOUND.wait("Event.synchronize")
        host().merge(self.clock)

    def elapsed_time(self, _: Event) -> float:
        return 0.0


def synchronize(_: Any = None) -> None:
    """In place of ``torch.cuda.synchronize``."""
    FOUND.wait("cuda.synchronize")
    for stream in Stream.everyone():
        host().merge(stream.clock)


class ClockedQueue:
    """``queue.SimpleQueue`` whose items carry the clock of the thread that put them."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Any, Clock]] = REAL_QUEUE()

    def __class_getitem__(cls, _: Any) -> type[ClockedQueue]:
        return cls

    def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
        self._queue.put((item, host().copy()))

    def get(self, *args: Any, **kwargs: Any) -> Any:
        item, clock = self._queue.get(*args, **kwargs)
        host().merge(clock)
        return item

    def empty(self) -> bool:
        return self._queue.empty()


class ClockedCondition(REAL_CONDITION):
    """``threading.Condition`` that orders who enters it after those who left it or notified it before."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(lock)
        self._clock = Clock()

    def __enter__(self) -> bool:
        entered = super().__enter__()
        host().merge(self._clock)
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.merge(host())
        super().__exit__(kind, error, trace)

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.merge(host())
        done = super().wait(timeout)
        host().merge(self._clock)
        return done

    def notify(self, n: int = 1) -> None:
        self._clock.merge(host())
        super().notify(n)
