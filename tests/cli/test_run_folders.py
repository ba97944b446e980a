"""Run folders of the whole command: two of the same second, and roots whose names are no UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.cli_helpers import RUN, Done
from ttsctl.report.run_folder import run_folder
from ttsctl.report.synth import SynthSummary

FROZEN = """
import sys
from datetime import datetime, timezone
from ttsctl.report import run_folder

class Clock(datetime):
    @classmethod
    def now(cls, zone=None):
        return cls(2026, 1, 1, tzinfo=zone)

run_folder.datetime = Clock
from ttsctl.cli.main import run
run(sys.argv[1:])
"""


@pytest.fixture
def codes(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.npy", tmp_path / "b.npy"
    for path in paths:
        np.save(path, np.arange(64).reshape(4, 16))
    return paths


def test_two_at_once_in_one_second_get_folders_of_their_own(tmp_path: Path, codes: tuple[Path, Path]) -> None:
    out = tmp_path / "out"
    line = [sys.executable, "-c", FROZEN, "compare-hash", *map(str, codes), "--json", "--out", str(out)]
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    homes = sorted(path for path in (out / "compare-hash").iterdir() if not path.is_symlink())
    assert [home.name for home in homes] == ["20260101_000000", "20260101_000000_2"]
    for home in homes:
        assert json.loads((home / "summary.json").read_text()) == json.loads(printed[0][0])
    assert (out / "compare-hash" / "latest").resolve() in homes


def test_ten_one_after_another_in_one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = []
    for number in range(10):
        with run_folder(tmp_path, SynthSummary) as run:
            run.stamp = "20260101_000000"
            (run.path / "number").write_text(str(number))
        homes.append(run.home)
    assert len(set(homes)) == 10 and [(home / "number").read_text() for home in homes] == [str(n) for n in range(10)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_root_whose_name_is_no_utf_8(tmp_path: Path, codes: tuple[Path, Path]) -> None:
    out = os.fsencode(tmp_path) + b"/o\xff\x1b[31mut"
    line = [*map(os.fsencode, [*RUN, "compare-hash", *map(str, codes), "--json", "--out"]), out]
    done = subprocess.run(line, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stderr
    shown = subprocess.run([part for part in line if part != b"--json"], capture_output=True, timeout=60, check=True)
    assert r"/o\xff\x1b[31mut/compare-hash/" in shown.stdout.decode("utf-8") and b"\x1b" not in shown.stdout
    summary = json.loads(done.stdout.decode("utf-8"))
    latest = Path(os.fsdecode(out)) / "compare-hash" / "latest" / "summary.json"
    again = json.loads(latest.read_text(encoding="utf-8"))
    assert {**again, "created_utc": summary["created_utc"]} == summary


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_regress_takes_such_a_root_too(tmp_path: Path, cli: Callable[..., Done]) -> None:
    """Its reports and its history name the folder."""
    from tests.fakes import FakeEngine
    from tests.regress.regress_fakes import write_suite
    from ttsctl.runs import engines

    out = tmp_path / os.fsdecode(b"o\xffut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load_engine", lambda config: FakeEngine(config=config))
        done = cli("regress", write_suite(tmp_path / "suite", "runs = 1"), "--out", out)
    assert done.status in (0, 3), done.stderr
    (line,) = (out / "summary.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["folder"].startswith(f"{tmp_path}/o\\xffut/regress/")
    assert {"report.html", "junit.xml", "summary.json"} <= {p.name for p in (out / "regress" / "latest").iterdir()}
