"""What the commands print and write when all is well, or when a suite does not hold."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.cli.cli_helpers import REPO, Done

FEW = ("--set", "sampling.max_new_tokens=8")
SUITE = """
texts = "{manifests}/texts_base.json"
voices = "{manifests}/voices_base.json"
text_ids = {text_ids}
voice_ids = ["vivian"]
runs = 1
warmup = 0
baseline = "golden"
[gates]
codes_baseline = {{ on = true, required = true }}
ttfa_p50_baseline = false  # judged on the machine of the baseline, which may be busy with other tests
"""


@pytest.fixture
def suite(tmp_path: Path) -> Any:
    """``suite([text ids])`` -> a suite of these texts, held against a copy of the committed golden codes."""

    def write(text_ids: list[str]) -> Path:
        shutil.copytree(REPO / "manifests" / "base_golden", tmp_path / "golden")
        path = tmp_path / "suite.toml"
        path.write_text(SUITE.format(manifests=(REPO / "manifests").as_posix(), text_ids=json.dumps(text_ids)))
        return path

    return write


def summary_of(cli: Callable[..., Done], done: Done, command: str) -> dict[str, Any]:
    """The one JSON document on stdout: the same as summary.json, and as the published schema wants it."""
    summary: dict[str, Any] = json.loads(done.stdout)
    written = (done.out / command / "latest" / "summary.json").read_text(encoding="utf-8")
    assert done.stdout.strip() == written.strip()
    assert summary["exit_status"] == done.status
    schema = json.loads(cli("schema", command).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(summary, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**summary, "exit_status": 4}, schema)
    return summary


def test_synth(cli: Callable[..., Done]) -> None:
    done = cli("synth", "Good morning.", "--json", *FEW)
    summary = summary_of(cli, done, "synth")
    assert done.status == 0 and summary["frames"] > 0 and summary["config"]["sampling"]["max_new_tokens"] == 8
    there = {path.name for path in (done.out / "synth" / "latest").iterdir()}
    assert there == {*summary["files"], "summary.json"}


def test_dump_codes_and_compare_hash(cli: Callable[..., Done]) -> None:
    done = cli("dump-codes", "--text", "Good morning.", "--runs", "2", "--json", *FEW)
    summary_of(cli, done, "dump-codes")
    assert done.status == 0
    dumps = sorted((done.out / "dump-codes" / "latest").glob("codes_*.npy"))
    assert len(dumps) == 2
    equal = cli("compare-hash", *dumps, "--json")
    assert summary_of(cli, equal, "compare-hash")["equal"] is True and equal.status == 0
    other = np.load(dumps[0], allow_pickle=False)
    other[2, 5] ^= 1
    np.save(done.out / "other.npy", other)
    differ = cli("compare-hash", dumps[0], done.out / "other.npy", "--json")
    assert summary_of(cli, differ, "compare-hash")["first_diff_frame"] == 2 and differ.status == 1


def test_regress_holds(cli: Callable[..., Done], suite: Any) -> None:
    done = cli("regress", suite(["short_01"]), "--json")
    summary = summary_of(cli, done, "regress")
    assert done.status == 0, summary["headline"]
    assert [v["status"] for v in summary["verdicts"] if v["gate"] == "codes_baseline"] == ["pass"]


@pytest.mark.slow
def test_regress_with_an_altered_golden_hash_is_1(
    cli: Callable[..., Done], suite: Any, edit: Any, tmp_path: Path
) -> None:
    path = suite(["short_01"])

    def alter(document: Any) -> None:
        (case,) = (c for c in document["cases"] if c["id"].startswith("short_01"))
        case["codes_sha256"] = case["codes_sha256"][::-1]

    edit(tmp_path / "golden" / "baseline.json", alter)
    done = cli("regress", path, "--json")
    assert done.status == 1
    assert summary_of(cli, done, "regress")["failed_gates"] == ["codes_baseline"]


def test_regress_without_cases_is_3(cli: Callable[..., Done], suite: Any) -> None:
    done = cli("regress", suite([]), "--json")
    assert done.status == 3
    assert "no case ran" in summary_of(cli, done, "regress")["headline"]


def test_schema_of_an_unknown_command(cli: Callable[..., Done]) -> None:
    cli("schema", "sinth").refused("'sinth'", "did you mean 'synth'?")


IMPORTED = """
import sys
from ttsctl.cli.main import run
try:
    run(sys.argv[1:])
except SystemExit as end:
    print(end.code, *sys.modules, file=open("modules", "w"))
"""


@pytest.mark.parametrize("command", ["--help", "--version", "compare-hash", "synth --help", "regress --help", "schema"])
def test_never_imports_torch(tmp_path: Path, command: Any) -> None:
    """Nor, for a help text, anything else that is slow to load. How fast they are is measured elsewhere."""
    codes = np.arange(64).reshape(4, 16)
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, codes)
    words = ["compare-hash", "a.npy", "b.npy"] if command == "compare-hash" else command.split()
    line = [sys.executable, "-c", IMPORTED, *words]
    subprocess.run(line, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    status, *modules = (tmp_path / "modules").read_text().split()
    assert status == "0" and "ttsctl.cli.main" in modules
    slow = {"torch", "ttsctl.engine.model", "ttsctl.engine", "scipy.signal", "matplotlib", "pandas"}
    if "-" in command[:2] or command.endswith("--help"):
        slow |= {"numpy", "rich.console", "scipy"}
    assert slow.isdisjoint(modules), slow.intersection(modules)
