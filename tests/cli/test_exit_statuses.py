"""Only a verdict is 1: every command, with output that is closed, full or read by nobody, and with broken input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer

from tests.cli.cli_helpers import REPO
from tests.pins.pinned import EXPERIMENT, FEW, ONE_THREAD, SUITE
from ttsctl.cli import main
from ttsctl.cli.commands import COMMANDS
from ttsctl.cli.finish import Finished
from ttsctl.core.errors import CannotJudge, Interrupted
from ttsctl.core.outcome import ExitStatus

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
SPOKEN = ("--text", "Hi.", *FEW)
SMALL = ("--checkpoint", "builtin", "--rounds", "1", *ONE_THREAD)
# One quick line a command; its verdict may be any.
LINES: dict[str, tuple[str, ...]] = {
    "synth": ("Hi.", *FEW),
    "dump-codes": ("--runs", "1", *SPOKEN),
    "encode": ("a.wav", "--checkpoint", "builtin-base", *ONE_THREAD),
    "compare-hash": ("codes.npy", "other.npy"),
    "decode-ablate": ("codes.npy", "--only", "A_oneshot", "--only", "E_incremental", *ONE_THREAD),
    "pop-align": ("a.wav", "--max-pops", "0"),
    "regress": ("suite.toml",),
    "sweep": ("experiment.toml",),
    "explain": ("--runs", "2", "--jitters", "1", *SPOKEN),
    "bisect": ("a.toml", "b.toml", "--runs", "1", *SPOKEN),
    "doctor": (),
    "bench decode": ("--frames", "4", *SMALL),
    "bench pops": ("--seconds", "1", "--align-seconds", "2"),
    "bench trace": ("--frames", "1", *SMALL),
    "bench codegen": ("--frames", "1", "--checkpoint", "builtin", *ONE_THREAD),
    "bench voice": ("--checkpoint", "builtin-base", "--rounds", "1", "--seconds", "1", *ONE_THREAD),
    "bench cuda": ("--set", "engine.device=cpu"),
    "schema": ("synth",),
}
NEEDS_A_GPU = "bench cuda"
LIGHT = ("compare-hash", "pop-align", "schema")
BROKEN: dict[str, tuple[str, ...]] = {
    "synth": (" ",),
    "dump-codes": ("--texts", "empty.json"),
    "encode": ("empty.wav",),
    "compare-hash": ("codes.npy", "empty.npy"),
    "decode-ablate": ("empty.npy",),
    "pop-align": ("empty.wav",),
    "regress": ("broken.toml",),
    "sweep": ("broken.toml",),
    "explain": ("codes.npy", "empty.npy"),
    "bisect": ("a.toml", "broken.toml"),
    "doctor": ("--set", "engine.nothing=1"),
    "bench decode": ("--frames", "x"),
    "bench pops": ("--seconds", "x"),
    "bench trace": ("--frames", "x"),
    "bench codegen": ("--frames", "x"),
    "bench voice": ("--seconds", "x"),
    "bench cuda": ("--frames", "x"),
    "schema": ("empty",),
}
NAMES = [command.name for command in COMMANDS]
Run = Callable[..., int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inputs of all lines."""
    made = tmp_path_factory.mktemp("statuses")
    codes = np.random.default_rng(1).integers(0, 128, (6, 16))
    np.save(made / "codes.npy", codes)
    np.save(made / "other.npy", codes ^ 1)
    tone = 0.1 * np.sin(np.arange(24000) / 20)
    tone[[6000, 12000]] = 0.9
    soundfile.write(made / "a.wav", tone, 24000)
    for name in ("empty.npy", "empty.wav", "empty.json"):
        (made / name).write_bytes(b"")
    (made / "broken.toml").write_text("[", encoding="utf-8")
    for name, text in (("suite.toml", SUITE), ("experiment.toml", EXPERIMENT)):
        text = text.replace('"manifests/', f'"{REPO}/manifests/').replace("repeats = 2", "repeats = 1")
        # What cannot run here is skipped, and no worker has to load torch.
        (made / name).write_text(
            text.replace("repeats = 1", 'repeats = 1\nrequires = "cores >= 100000"'), encoding="utf-8"
        )
    (made / "a.toml").write_text("[determinism]\nsingle_thread = true\n", encoding="utf-8")
    (made / "b.toml").write_text("[sampling]\nrepetition_penalty = 1.4\n", encoding="utf-8")
    return made


def forks(folder: Path, *modules: str) -> Iterator[Run]:
    """``run("pop-align", "a.wav", stdout="gone")`` -> its status; other streams go to the files stdout and stderr."""
    line = [sys.executable, "-m", "tests.cli.forked", *modules]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    environment = {"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(line, cwd=folder, env=environment, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(*line: str, stdout: str = "stdout", stderr: str = "stderr") -> int:
            asked = {"line": line, "stdout": stdout, "stderr": stderr}
            process.stdin.write(json.dumps(asked).encode())  # type: ignore[union-attr]
            return int(process.stdout.readline())  # type: ignore[union-attr]

        yield run
        process.stdin.close()


@pytest.fixture(scope="module")
def light(folder: Path) -> Iterator[Run]:
    yield from forks(
        folder, "ttsctl.report.pop_align", "ttsctl.regress.command", "ttsctl.sweep.session", "matplotlib.pyplot"
    )


@pytest.fixture(scope="module")
def heavy(folder: Path) -> Iterator[Run]:
    yield from forks(folder, "torch", "matplotlib.pyplot", "ttsctl.engine.local", "ttsctl.explain.command")


def test_every_command_has_a_line() -> None:
    assert list(LINES) == list(BROKEN) == NAMES


STREAMS = [
    {"stdout": "gone"},
    {"stdout": "full"},
    {"stdout": "closed"},
    {"stderr": "gone"},
    {"stderr": "full"},
    {"stderr": "closed"},
    {"stdout": "closed", "stderr": "closed"},
]
LOST = {"gone": ExitStatus.BROKEN_PIPE, "full": ExitStatus.NOT_JUDGED}


def check_streams(run: Run, folder: Path, line: tuple[str, ...], all_streams: list[dict[str, str]]) -> int:
    """What is lost decides the status; a stream that is closed was not wanted. Returns the undisturbed status."""
    verdict = run(*line)
    said = {name: (folder / name).read_bytes() for name in ("stdout", "stderr")}
    assert said["stdout"] or verdict in (2, 3)
    for streams in all_streams:
        lost = [LOST[what] for name, what in streams.items() if what in LOST and said[name]]
        assert run(*line, **streams) == (lost[0] if lost else verdict), (line, streams)
        if streams.get("stdout") == "gone":
            assert b"Error" not in (folder / "stderr").read_bytes()
        elif streams.get("stdout") == "full":
            assert b"stdout: No space left on device" in (folder / "stderr").read_bytes()
    return verdict


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_command(light: Run, folder: Path, name: str) -> None:
    verdict = check_streams(light, folder, (*name.split(), *LINES[name], *out(folder, name)), STREAMS)
    # The control: a verdict is still 1.
    assert verdict == {"compare-hash": 1, "pop-align": 1, "schema": 0}[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*LIGHT, NEEDS_A_GPU)])
def test_a_command_that_loads_the_engine(heavy: Run, folder: Path, name: str) -> None:
    few = [STREAMS[0], STREAMS[4], STREAMS[6]]
    check_streams(heavy, folder, (*name.split(), *LINES[name], *out(folder, name)), few)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help(light: Run, folder: Path, name: str) -> None:
    for streams, status in (({}, 0), ({"stdout": "gone"}, 141), ({"stdout": "full"}, 3), ({"stdout": "closed"}, 0)):
        assert light(*name.split(), "--help", **streams) == status


@pytest.mark.parametrize("name", NAMES)
def test_broken_input_is_2_whatever_the_streams_are(light: Run, folder: Path, name: str) -> None:
    line = (*name.split(), *BROKEN[name], *out(folder, name))
    assert light(*line) == 2
    assert (folder / "stderr").read_text().startswith("ttsctl: ")
    for streams in ({"stderr": "gone"}, {"stderr": "full"}, {"stderr": "closed", "stdout": "closed"}):
        assert light(*line, **streams) == 2, streams


def test_json_that_nobody_got_is_no_verdict(light: Run, folder: Path) -> None:
    line = ("compare-hash", *LINES["compare-hash"], "--json", *out(folder, "compare-hash"))
    assert [light(*line, stdout=what) for what in ("stdout", "gone", "full", "closed")] == [1, 141, 3, 3]
    assert "--json: stdout is closed" in (folder / "stderr").read_text()


def out(folder: Path, name: str) -> tuple[str, ...]:
    return () if name == "schema" else ("--out", str(folder / "out"))


ENDS: list[tuple[BaseException, int]] = [
    (Finished(ExitStatus.FAILS), 1),
    (Finished(ExitStatus.HOLDS), 0),
    (typer.Exit(1), 3),
    (typer.Exit(0), 0),
    (typer.Abort(), 3),
    (SystemExit(1), 3),
    (SystemExit(0), 3),
    (SystemExit("no"), 3),
    (EOFError(), 3),
    (BrokenPipeError(32, "Broken pipe"), 3),
    (RecursionError(), 3),
    (MemoryError(), 3),
    (GeneratorExit(), 3),
    (CannotJudge("x"), 3),
    (FileNotFoundError(2, "No such file", "x"), 2),
    (OSError(36, "File name too long", "x" * 5000), 2),
    (typer.BadParameter("x"), 2),
    (KeyboardInterrupt(), 130),
    (Interrupted(), 130),
]


@pytest.mark.parametrize(("end", "status"), ENDS, ids=lambda value: repr(value)[:30])
def test_no_other_end_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: BaseException, status: int
) -> None:
    """Whatever a command, a library or the argument parser raises."""

    def call(arguments: list[str]) -> None:
        raise end

    monkeypatch.setattr(main, "_call", call)
    with pytest.raises(SystemExit) as left:
        main.run(["synth"])
    assert left.value.code == status
    said = capsys.readouterr().err
    assert said.count("\n") == (0 if status in (0, 1) else 1) and all(len(line) <= 520 for line in said.splitlines())
