"""The console script: Ctrl-C ends quietly even while the rest is still being imported."""

from __future__ import annotations

import signal


def run() -> None:
    """Start the command line; until it has its own handlers, an interrupt ends the process as the system does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ttsctl.cli.main import run as run_app

    run_app()
