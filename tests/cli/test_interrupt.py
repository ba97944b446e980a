"""Ctrl-C in the middle of the work: status 130, one line, and no folder or file left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.cli_helpers import REPO, start

SINGLE = ("--set", "determinism.single_thread=true")
LONG = "The ferry left the harbour before sunrise. " * 40
TIMEOUT_S = 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "at_work"),
    [
        # Enough work for minutes: speaking has begun once there is a run folder and the time to load is over.
        (["synth", LONG, "--set", "sampling.max_new_tokens=3000", *SINGLE], "synth/.*"),
        # Some dumps are written already, and are taken back.
        (["dump-codes", "--text", "Good morning.", "--runs", "1000", *SINGLE], "dump-codes/.*/codes_*.npy"),
        # The engine works in a thread of its own here.
        (["regress", "suites/base.toml"], "regress/.*"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_interrupted(tmp_path: Path, arguments: list[str], at_work: str) -> None:
    out = tmp_path / "out"
    process = start(*arguments, "--out", out, cwd=REPO)
    try:
        wait_for(out, at_work)
        if not at_work.endswith(".npy"):
            time.sleep(2.5)
        assert process.poll() is None, "it ended before it was interrupted"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert (process.returncode, stdout, stderr) == (130, "", "ttsctl: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def wait_for(folder: Path, pattern: str) -> None:
    """Until a file or folder like this is there."""
    deadline = time.monotonic() + TIMEOUT_S
    while not list(folder.glob(pattern)):
        assert time.monotonic() < deadline, f"{pattern} did not come"
        time.sleep(0.02)


STUCK = """
import threading
import torch
from ttsctl.cli.main import run

def work():
    a = torch.randn(64, 64)
    while True:
        a = (a @ a).tanh()

threading.Thread(target=work, name="ttsctl-case", daemon=True).start()
run(["synth", " "])
"""


@pytest.mark.slow
def test_the_status_is_ours_with_an_engine_stuck_in_its_thread() -> None:
    """A case that outlived its time leaves such a thread behind; tearing it down would abort the process."""
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("ttsctl: text: ") and done.stderr.count("\n") == 1


CONVERTED = """
import os, signal, sys
from ttsctl.cli import main

def call(arguments):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except main.Interrupted:
        raise ImportError("as numpy does where C code imports a module")

main._call = call
main.run(["synth", "hi"])
"""


def test_an_error_after_an_interrupt_is_its_consequence() -> None:
    """An extension module that is interrupted while it is imported raises its own error instead."""
    done = subprocess.run([sys.executable, "-c", CONVERTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "ttsctl: interrupted\n")


IGNORING = """
import os, signal, sys
from ttsctl.cli import main

def call(arguments):
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGTERM)

main._call = call
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
main.run(["synth", "hi"])
"""


def test_what_was_ignored_before_stays_ignored() -> None:
    """As under nohup, or for what a shell without job control starts with "&"; SIGTERM still ends it."""
    line = [sys.executable, "-c", IGNORING]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "ttsctl: interrupted\n")
    acting = IGNORING.replace("SIG_IGN", "SIG_DFL").replace("    os.kill(os.getpid(), signal.SIGTERM)\n", "")
    done = subprocess.run([sys.executable, "-c", acting], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130


TWICE = """
import os, signal, sys
from pathlib import Path
from ttsctl.cli import main
from ttsctl.report.run_folder import run_folder
from ttsctl.report.synth import SynthSummary
from ttsctl.runs import claimed_folder

remove, numbers = claimed_folder.shutil.rmtree, [getattr(signal, name) for name in sys.argv[2:]]

def interrupted_again(folder, **options):
    os.kill(os.getpid(), numbers[1])
    remove(folder, **options)

claimed_folder.shutil.rmtree = interrupted_again

def call(arguments):
    with run_folder(Path(sys.argv[1]), SynthSummary) as run:
        for number in range(100):
            (run.path / str(number)).write_text("x")
        os.kill(os.getpid(), numbers[0])

main._call = call
main.run(["synth", "hi"])
"""


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGINT", "SIGTERM"), ("SIGTERM", "SIGHUP")])
def test_a_second_interrupt_does_not_cut_short_the_removal(tmp_path: Path, first: str, second: str) -> None:
    line = [sys.executable, "-c", TWICE, str(tmp_path / "out"), first, second]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "ttsctl: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []
