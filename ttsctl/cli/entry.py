"""The console script: streams and stops are in order before anything else is imported."""

from __future__ import annotations

import contextlib
import os
import sys
from types import FrameType
from typing import NoReturn

from ttsctl.cli.interrupts import handle_stops
from ttsctl.cli.streams import guard_streams
from ttsctl.core.outcome import ExitStatus


def run() -> NoReturn:
    """Run the command line and exit; see ttsctl.cli.main.run."""
    handle_stops(_end_at_once)
    guard_streams()
    try:
        from ttsctl.cli.main import run as run_app
    except Exception as error:  # noqa: BLE001  a broken installation; the traceback would come with status 1
        with contextlib.suppress(Exception):
            print(f"ttsctl: cannot start: {type(error).__name__}: {error}; install it again", file=sys.stderr)
        sys.exit(ExitStatus.NOT_JUDGED)
    run_app()


def _end_at_once(signum: int, frame: FrameType | None) -> NoReturn:
    """For a stop while the command line is still being imported: an exception might be dropped on its way out."""
    with contextlib.suppress(OSError):
        os.write(2, b"ttsctl: interrupted; nothing was written\n")
    os._exit(ExitStatus.INTERRUPTED)
