"""The command with the fake engine: what it writes, prints and exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.fakes import FakeEngine
from tests.regress.regress_fakes import write_suite
from ttsctl.cli import regress, schema
from ttsctl.core.config import Config
from ttsctl.core.errors import CannotJudge, InputError


class Command:
    """``regress`` in a temporary folder, with ``faults`` for its engine."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.out = folder / "output"
        self.faults: dict[str, str] = {}
        self.configs: list[Config] = []
        monkeypatch.setattr("ttsctl.runs.engines.load_engine", self._load)
        self.app = typer.Typer()
        self.app.command("regress")(regress.command)
        self.app.command("schema")(schema.command)

    def _load(self, config: Config) -> FakeEngine:
        self.configs.append(config)
        return FakeEngine(config=config, faults=self.faults)

    def __call__(self, *arguments: str, body: str = "", gates: str = "") -> Result:
        suite = write_suite(self.folder / "suite", body, gates)
        return CliRunner().invoke(self.app, ["regress", str(suite), "--out", str(self.out), *arguments])

    @property
    def latest(self) -> Path:
        return self.out / "regress" / "latest"

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = json.loads((self.latest / "summary.json").read_text(encoding="utf-8"))
        return summary


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


def test_a_passing_run_ends_in_one_line_and_status_0(command: Command) -> None:
    result = command()
    assert result.exit_code == 0
    last = result.stdout.strip().splitlines()
    assert len(last) == 1
    assert last[0].startswith("PASS: 2 cases; failed gates: none; ")
    assert last[0].endswith("summary.json")
    assert Path(last[0].rpartition(" ")[2]).is_file()


def test_what_lies_in_the_run_folder(command: Command) -> None:
    command()
    names = {str(p.relative_to(command.latest)) for p in command.latest.rglob("*") if p.is_file()}
    assert {"summary.json", "junit.xml", "report.html", "baseline.json", "codes/manifest.json"} <= names
    assert {"wav/long_01__ryan_stream.wav", "wav/long_01__ryan_offline.wav"} <= names
    assert {"codes/codes_long_01__ryan_repeat_3.npy", "codes/meta_long_01__ryan_offline.json"} <= names


def test_json_is_the_summary_alone_on_stdout(command: Command) -> None:
    result = command("--json")
    assert json.loads(result.stdout) == command.summary


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["", "drift", "raise", "nan", "empty", "no audio"])
def test_the_summary_obeys_its_published_schema(command: Command, fault: str) -> None:
    command.faults = {"long_01": fault}
    command()
    shown = CliRunner().invoke(command.app, ["schema", "regress"])
    document = json.loads(shown.stdout)
    jsonschema.Draft202012Validator.check_schema(document)
    jsonschema.validate(command.summary, document)
    broken = {**command.summary, "exit_status": 4}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, document)


@pytest.mark.parametrize("fault", ["", "nan", "no audio", "empty"])
def test_a_missing_value_is_null_with_a_reason(command: Command, fault: str) -> None:
    command.faults = {"long_01": fault}
    command()
    summary = command.summary
    figures = [m for case in summary["cases"] for m in case["metrics"].values()]
    assert all((m["value"] is None) == (m["reason"] is not None) for m in figures)
    assert all((a["n"] == 0) == (a["p50"] is None) == (a["reason"] is not None) for a in summary["aggregates"].values())
    assert not [v for v in summary["verdicts"] if v["value"] is None and v["status"] == "pass"]
    assert set(summary["definitions"]) == set(summary["cases"][0]["metrics"])


def test_a_regression_is_status_1_and_names_its_gate(command: Command) -> None:
    command.faults = {"long_01": "drift"}
    result = command()
    assert result.exit_code == 1
    assert "failed gates: determinism (1)" in result.stdout
    assert command.summary["failed_gates"] == ["determinism"]


def test_an_altered_golden_hash_is_status_1(command: Command) -> None:
    golden = command.folder / "golden"
    assert command("--write-baseline", str(golden)).exit_code == 0
    body = 'baseline = "../golden"'
    assert command(body=body, gates="codes_baseline = true").exit_code == 0
    document = json.loads((golden / "baseline.json").read_text())
    digest = document["cases"][0]["codes_sha256"]
    document["cases"][0]["codes_sha256"] = ("0" if digest[0] != "0" else "1") + digest[1:]
    (golden / "baseline.json").write_text(json.dumps(document))
    result = command(body=body, gates="codes_baseline = true")
    assert result.exit_code == 1
    assert command.summary["failed_gates"] == ["codes_baseline"]


@pytest.mark.parametrize("body", ["text_ids = []", "voice_ids = []"])
def test_a_suite_without_cases_is_status_3(command: Command, body: str) -> None:
    result = command(body=body)
    assert result.exit_code == 3
    assert "no case ran" in result.stdout
    assert command.configs == [], "no engine is loaded for nothing"
    jsonschema.validate(command.summary, json.loads(CliRunner().invoke(command.app, ["schema", "regress"]).stdout))
    suite = ElementTree.parse(command.latest / "junit.xml").getroot()
    assert int(suite.get("errors", "0")) == len(suite.findall(".//error")) >= 1


def test_an_empty_suite_is_status_3(command: Command) -> None:
    path = command.folder / "empty.toml"
    path.write_text("")
    result = CliRunner().invoke(command.app, ["regress", str(path), "--out", str(command.out)])
    assert result.exit_code == 3


def test_a_failed_case_is_status_3(command: Command) -> None:
    command.faults = {"long_01": "raise"}
    assert command().exit_code == 3
    case = command.summary["cases"][0]
    assert case["error"] == {"type": "RuntimeError", "message": "the fake engine broke"}
    assert command.summary["cases"][1]["error"] is None


def test_an_earlier_run_as_baseline(command: Command) -> None:
    command()
    earlier = command.latest.resolve()
    result = command("--baseline", str(earlier), gates="codes_baseline = true")
    assert result.exit_code == 0
    assert command.summary["baseline"]["folder"] == str(earlier)
    assert command.summary["counts"]["not_comparable"] == 0
    assert {v["value"] for v in command.summary["verdicts"] if v["gate"] == "snr_baseline_db"} == {150.0}


def test_settings_come_from_suite_and_command_line(command: Command) -> None:
    suite = write_suite(command.folder / "suite")
    suite.write_text(suite.read_text() + "[stream]\npacket_tokens = 2\nchunk_ms = 40.0\n")
    arguments = ["regress", str(suite), "--out", str(command.out), "--set", "stream.packet_tokens=8"]
    CliRunner().invoke(command.app, [*arguments, "--checkpoint", "some/folder"])
    config = command.configs[0]
    assert (config.stream.packet_tokens, config.stream.chunk_ms) == (8, 40.0)
    assert config.engine.checkpoint == "some/folder"
    assert command.summary["config"]["stream"]["packet_tokens"] == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--baseline", "nowhere"], "nowhere"),
        (["--baseline", "a", "--write-baseline", "b"], "expected one of them"),
        (["--set", "stream.packet_token=8"], "packet_token"),
    ],
)
def test_wrong_input_raises_before_anything_is_written(command: Command, arguments: list[str], says: str) -> None:
    result = command(*arguments)
    assert isinstance(result.exception, InputError)
    assert says in str(result.exception)
    assert not list(command.out.glob("regress/*"))


def test_write_baseline_refuses_what_is_there_before_it_runs(command: Command) -> None:
    target = command.folder / "golden"
    target.mkdir()
    (target / "mine.txt").write_text("keep")
    result = command("--write-baseline", str(target))
    assert isinstance(result.exception, InputError)
    assert command.configs == []
    assert [p.name for p in target.iterdir()] == ["mine.txt"]


def test_write_baseline_of_a_failing_run_writes_none_and_keeps_its_status(command: Command) -> None:
    command.faults = {"long_01": "clip"}
    result = command("--write-baseline", str(command.folder / "golden"))
    assert result.exit_code == 1
    assert not (command.folder / "golden").exists()


def test_write_baseline_without_proof_of_determinism_is_refused(command: Command) -> None:
    result = command("--write-baseline", str(command.folder / "g"), body="runs = 0", gates="determinism = false")
    assert isinstance(result.exception, CannotJudge)
    assert not (command.folder / "g").exists()


def test_history_gets_one_line_a_run(command: Command) -> None:
    command()
    command.faults = {"long_01": "drift"}
    command()
    lines = [json.loads(line) for line in (command.out / "summary.jsonl").read_text().splitlines()]
    assert [line["exit_status"] for line in lines] == [0, 1]
    assert all((Path(line["folder"]) / "summary.json").is_file() for line in lines)
    assert lines[0]["p50"]["ttfa_ms"] == 120.0


def test_junit_agrees_with_the_summary(command: Command) -> None:
    command.faults = {"long_01": "drift"}
    command(body='[pins]\n"stream.packet_tokens" = 4')
    root = ElementTree.parse(command.latest / "junit.xml").getroot()
    counts = command.summary["counts"]
    assert int(root.get("tests", "0")) == len(command.summary["verdicts"]) == len(root.findall(".//testcase"))
    assert int(root.get("failures", "0")) == counts["fail"] == len(root.findall(".//failure"))
    assert int(root.get("errors", "0")) == counts["error"] == 0
    assert int(root.get("skipped", "0")) == counts["skipped"] + counts["not_comparable"]


def test_schema_of_all_commands_and_of_an_unknown_one(command: Command) -> None:
    every = json.loads(CliRunner().invoke(command.app, ["schema"]).stdout)
    assert {"regress", "compare-hash"} <= set(every)
    for document in every.values():
        jsonschema.Draft202012Validator.check_schema(document)
    wrong = CliRunner().invoke(command.app, ["schema", "regres"])
    assert isinstance(wrong.exception, InputError)
    assert "did you mean 'regress'?" in str(wrong.exception)
