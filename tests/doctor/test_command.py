"""The command: one table, one summary, and a status that a script can use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.cli.cli_helpers import Done
from tests.cli.conftest import cli as cli  # a fixture
from ttsctl.core.checkup import CheckpointFound, TorchFound
from ttsctl.doctor import command
from ttsctl.doctor.check import failure, ok, warning
from ttsctl.doctor.summary import doctor_outcome
from ttsctl.doctor.torch_process import TorchCheckup

FOUND = TorchCheckup(
    torch=TorchFound("2.13.0+cpu", None, (), None, None, True),
    in_force={"codegen_device": "cpu", "decoder_device": "cpu", "cudnn_benchmark": False, "threads": 1},
    convolutions=(),
    checkpoint=CheckpointFound("builtin", "ab" * 32, "custom_voice", 2_000_000, 0.1),
    reasons={"threads": "not timed in a test"},
)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run_checkup", lambda config: FOUND)


def test_the_summary_is_that_of_the_schema(cli: Callable[..., Done]) -> None:
    done = cli("doctor", "--json")
    summary = json.loads(done.stdout)
    assert done.status == summary["exit_status"] == 0
    jsonschema.validate(summary, json.loads(cli("schema", "doctor").stdout))
    written = json.loads((done.out / "doctor" / "latest" / "summary.json").read_text(encoding="utf-8"))
    assert written == summary and {check["name"] for check in summary["checks"]} >= {"python", "gpu", "output folder"}


def test_an_output_folder_that_cannot_be_written_is_a_failed_check(cli: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = cli("doctor", "--json", "--out", tmp_path / "file" / "out")
    summary = json.loads(done.stdout)
    assert done.status == summary["exit_status"] == 3 and "output folder" in summary["headline"]
    assert any("no summary.json" in note for note in summary["notes"])


def test_a_warning_fails_nothing_and_a_failure_is_not_a_verdict() -> None:
    fine, poor, broken = ok("a", "1"), warning("b", "2", "do"), failure("c", "3", "do")
    assert doctor_outcome([fine]).status == 0 and doctor_outcome([fine, poor]).status == 0
    assert doctor_outcome([fine, poor, broken]).status == 3
    assert doctor_outcome([fine, poor, broken]).headline == "NOT FIT: 3 checks; failed: c; warnings: b"
