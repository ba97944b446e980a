"""Starting processes that Ctrl-C and a hang-up of the terminal do not reach: their parent ends them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """A process started inside this block never gets Ctrl-C or a hang-up, not even while it loads.

    Both go to all processes of a terminal; a worker that died of one would be taken for a worker that crashed.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        # The first process to be started starts this as well, which would unblock SIGINT again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Have this process ignore Ctrl-C and a hang-up, which are for its parent to handle."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
