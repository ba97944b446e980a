"""The real command line, in this process, with what it printed and what it left behind."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_helpers import BUILTIN, SPEAKS, Done
from ttsctl.cli.main import run


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """``run`` takes the process's handlers; the tests give them back."""
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    yield
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """``cli("synth", "hi", …)`` -> Done. Run folders go to ``tmp_path / "out"``; engines get one thread."""

    def call(command: str, *arguments: object) -> Done:
        out = tmp_path / "out"
        line = [command, *map(str, arguments)]
        if command != "schema" and "--out" not in line:
            line += ["--out", str(out)]
        if command in SPEAKS:
            line += ["--set", "determinism.single_thread=true"]
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run(line)
        printed = capsys.readouterr()
        return Done(end.value.code, printed.out, printed.err, out)

    return call


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the built-in checkpoint, to be damaged."""
    return Path(shutil.copytree(BUILTIN, tmp_path / "checkpoint"))


@pytest.fixture
def edit() -> Callable[[Path, Callable[[Any], object]], None]:
    """``edit(path, change)`` applies ``change`` to the JSON document in ``path``."""

    def apply(path: Path, change: Callable[[Any], object]) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(json.dumps(document), encoding="utf-8")

    return apply
