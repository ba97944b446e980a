"""Processes that are started here get no Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import contextlib
import multiprocessing
import signal
import sys

from ttsctl.core.processes import interrupts_held


def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def tell(pipe):
    pipe.send(blocked())


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with interrupts_held() if sys.argv[1] == "held" else contextlib.nullcontext():
        context.Process(target=tell, args=(theirs,)).start()
    print(ours.recv(), blocked())
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked here")
@pytest.mark.parametrize(("how", "said"), [("held", "True False"), ("not", "False False")])
def test_the_first_process_that_is_started_inherits_the_blocked_signal(tmp_path: Path, how: str, said: str) -> None:
    """In a fresh interpreter, for multiprocessing does more for its first process; and here it is unblocked after."""
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script), how], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == said, done.stderr
