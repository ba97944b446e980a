"""Ctrl-C, termination requests and hang-ups, and how they become an exception."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from ttsctl.core.errors import Interrupted

# Windows has no SIGHUP.
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def handle_stops(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> None:
    """Set the handler of every stop, but for those that whoever started this process had it ignore.

    nohup ignores SIGHUP, and a shell without job control SIGINT for what it starts with "&". Like all POSIX tools we
    leave that so.
    """
    for number in STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


class Interrupts:
    """The handler of stops: raises Interrupted, and remembers that one came.

    C code that calls Python, as many extension modules do while they are imported, may drop the exception or raise its
    own instead: an interrupt while numpy is imported ends in ImportError. So every error after an interrupt counts as
    its consequence, and an interrupt that was dropped can be repeated.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.came = True
        error = sys.exc_info()[1]
        while error is not None:
            # A second one must not cut short the removal of what the first one stopped.
            if isinstance(error, Interrupted):
                return
            error = error.__context__
        raise Interrupted
