"""Commands killed at random moments: nothing may be left half-written, and the next run must be fine.

``python -m tests.kills.harness FOLDER --kills 50 --seed 1`` kills that often in a new FOLDER and prints the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.pins.pinned import EXPERIMENT, FEW, REPO, SUITE
from ttsctl.cli.commands import summary_model

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A terminal sends these to all processes of a job; kill sends the others to one.
TO_ALL = (signal.SIGINT, signal.SIGHUP)
END_S = 60.0
COMMANDS = ("synth", "dump-codes", "decode-ablate", "regress", "sweep", "bisect")


@dataclass(frozen=True)
class Kill:
    """One kill: what was sent to which command after which share of its usual time, and what came of it.

    ``late``: it had ended before. ``status`` is negative where the signal itself ended the process. ``left``: hidden
    entries that it left, and ``swept`` those of them that the next run removed. ``wrong``: what must not be.
    """

    command: str
    signal: str
    share: float
    late: bool
    status: int
    left: int
    swept: int
    next_status: int
    wrong: tuple[str, ...]


class Harness:
    """``folder`` is new; it gets the inputs, the run folders in ``out`` and the temporary files of the commands."""

    def __init__(self, folder: Path) -> None:
        self.out, self.temporary = folder / "out", folder / "tmp"
        self.temporary.mkdir(parents=True)
        shutil.copytree(REPO / "manifests", folder / "manifests")
        self._marker = f"TTSCTL_KILLS_{os.getpid()}_{folder.name}"
        np.save(folder / "codes.npy", np.random.default_rng(1).integers(0, 128, (10, 16)))
        (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
        fresh = EXPERIMENT.replace("warmup = 0", 'warmup = 0\nisolation = "process"')
        (folder / "experiment.toml").write_text(fresh, encoding="utf-8")
        single = "[determinism]\nsingle_thread = true\n"
        (folder / "a.toml").write_text(single, encoding="utf-8")
        (folder / "b.toml").write_text(f"{single}[sampling]\nrepetition_penalty = 1.4\n", encoding="utf-8")
        spoken = ("--text-id", "short_01", *FEW)
        self._lines: dict[str, tuple[str, ...]] = {
            "synth": ("synth", "Good morning.", *FEW),
            "dump-codes": ("dump-codes", *spoken, "--runs", "8", "--packets"),
            "decode-ablate": ("decode-ablate", "codes.npy", *FEW[:2]),
            "regress": ("regress", "suite.toml"),
            "sweep": ("sweep", "experiment.toml"),
            "bisect": ("bisect", "a.toml", "b.toml", "--runs", "1", *spoken),
        }
        self._folder = folder
        # command -> (seconds of a run that nobody kills, its status)
        self._usual: dict[str, tuple[float, int]] = {}

    def kill(self, command: str, number: signal.Signals, share: float) -> Kill:
        """Kill ``command`` after this share of its usual time, look at what is left, and run it once more."""
        seconds, usual = self._usual_run(command)
        before = set(self._hidden(command))
        late, status = self._killed(command, number, share * seconds)
        wrong = self._looked_at(command)
        if status not in (usual, 130) and status != -number:
            wrong.append(f"status {status}")
        # A process that has its handlers catches all but SIGKILL; before, the system ends it.
        if status == 130 and (left := self._unowned(command)):
            wrong.append(f"left after an interrupt: {left}")
        hidden = set(self._hidden(command)) - before
        began = time.monotonic()
        next_status = self._run(command).returncode
        # The machine may be busier now than it was, or less.
        self._usual[command] = time.monotonic() - began, usual
        if next_status != usual:
            wrong.append(f"the next run ended in {next_status}, not in {usual}")
        wrong += self._looked_at(command)
        if left := [path.name for path in self._hidden(command)]:
            wrong.append(f"not swept: {left}")
        swept = len(hidden - set(self._hidden(command)))
        return Kill(command, number.name, share, late, status, len(hidden), swept, next_status, tuple(wrong))

    def _usual_run(self, command: str) -> tuple[float, int]:
        if command not in self._usual:
            began = time.monotonic()
            done = self._run(command)
            if done.returncode not in (0, 1):
                raise RuntimeError(f"{command} does not run: {done.stderr.decode()}")
            self._usual[command] = (time.monotonic() - began, done.returncode)
        return self._usual[command]

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-m", "ttsctl", *self._lines[command], "--out", str(self.out)]
        environment = {**os.environ, "TMPDIR": str(self.temporary), self._marker: "1", "PYTHONPATH": str(REPO)}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(line, cwd=self._folder, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def _run(self, command: str) -> subprocess.CompletedProcess[bytes]:
        process = self._start(command)
        _, said = process.communicate(timeout=10 * END_S)
        return subprocess.CompletedProcess([], process.returncode, b"", said)

    def _killed(self, command: str, number: signal.Signals, after_s: float) -> tuple[bool, int]:
        """(it had ended before, its status)"""
        process = self._start(command)
        try:
            time.sleep(after_s)
            late = process.poll() is not None
            if not late:
                (os.killpg if number in TO_ALL else os.kill)(process.pid, number)
            process.communicate(timeout=END_S)
        finally:
            process.kill()
        deadline = time.monotonic() + END_S
        while alive := processes_of(self._marker):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{command}: still alive after {number.name}: {alive}")
            time.sleep(0.05)
        return late, process.returncode

    def _hidden(self, command: str) -> list[Path]:
        return [*(self.out / command).glob(".*"), *self.temporary.glob("ttsctl-*")]

    def _unowned(self, command: str) -> list[str]:
        """Hidden entries that no run needs; the store of a sweep is kept on purpose, until the sweep is done."""
        return [path.name for path in self._hidden(command) if not path.name.startswith(".pinned-")]

    def _looked_at(self, command: str) -> list[str]:
        """What is half-written among what can be seen: each run folder is whole, and ``latest`` is one of them."""
        wrong = []
        for folder in (self.out / command).glob("[!.]*"):
            try:
                summary_model(command).model_validate_json((folder / "summary.json").read_bytes())
                for path in folder.rglob("*.json"):
                    json.loads(path.read_bytes())
                for path in folder.rglob("*.npy"):
                    np.load(path, allow_pickle=False)
                hidden = [path.name for path in folder.rglob(".*")]
                if hidden:
                    wrong.append(f"{folder}: {hidden}")
            except (OSError, ValueError, EOFError) as error:
                wrong.append(f"{folder}: {error}")
        history = self.out / "summary.jsonl"
        if history.exists():
            for line in history.read_text(encoding="utf-8").splitlines():
                json.loads(line)
        return wrong


def processes_of(marker: str) -> list[int]:
    """Ids of the living processes with this word in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                named = marker.encode() in (entry / "environ").read_bytes()
                state = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            except OSError:
                continue
            if named and state != "Z":
                found.append(int(entry.name))
    return found


def main() -> None:
    """Kill as often as asked for, and print each kill and the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    harness, chance, kills = Harness(options.folder), random.Random(options.seed), list[Kill]()
    number = 0
    while sum(not kill.late for kill in kills) < options.kills:
        # Each command and signal as often as any other; the moment is random.
        command = COMMANDS[number % len(COMMANDS)]
        sent = SIGNALS[(number // len(COMMANDS) + number) % len(SIGNALS)]
        kill = harness.kill(command, sent, chance.uniform(0.02, 1.0))
        number += 1
        print(kill, flush=True)
        kills.append(kill)
    for name in SIGNALS:
        mine = [kill for kill in kills if kill.signal == name.name and not kill.late]
        statuses = dict(Counter(kill.status for kill in mine))
        print(f"{name.name}: {len(mine)} kills, status {statuses}, left {sum(k.left for k in mine)}", end="")
        print(f", swept {sum(k.swept for k in mine)}, next run {dict(Counter(k.next_status for k in mine))}")
    wrong = [kill for kill in kills if kill.wrong]
    print(f"{sum(not kill.late for kill in kills)} kills in time, {len(wrong)} with something wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
