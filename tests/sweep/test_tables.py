"""The decision table: every metric in the CSV, and in the Markdown what people need, machine by machine."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from rich.console import Console

from tests.sweep.sweep_fakes import PROVENANCE, codes_of, prepared, result_of, run, skipped, trace_of, write_experiment
from ttsctl.cli.commands import summary_model
from ttsctl.core.config import Config
from ttsctl.core.machine import collect_provenance
from ttsctl.core.stalls import StalledRun
from ttsctl.runs.job import Job
from ttsctl.sweep.decision_table import markdown, write_tables
from ttsctl.sweep.metrics import METRICS
from ttsctl.sweep.summary import summarise
from ttsctl.sweep.tables import render

BODY = 'repeats = 4\n[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'
BODY += '[[condition]]\nname = "c"\n[[condition]]\nname = "broken"\n'
BODY += '[[conclusion]]\nquestion = "Is it | stable?"\nexpect = "hash_unique == 1"\n'


def two_machines(job: Job) -> Any:
    """a: as it should be. b: the second machine gives other codes. c: skipped. broken: fails on the second machine."""
    if job.condition == "c":
        return skipped(job, "needs 1 CUDA device, 0 there")
    second = job.repeat % 2 == 0
    if job.condition == "broken" and second:
        raise RuntimeError("a | b\n<c>")
    codes = codes_of(job)
    codes[9, 0] += second and job.condition == "b"
    provenance = replace(PROVENANCE, machine_id="b" * 64, packages={"torch": "2.0"}) if second else PROVENANCE
    in_force = {"threads": 2 if second else 1}
    trace = trace_of(codes, (4, 2) if second else None)
    host = "other" if second else "here"
    return result_of(job, codes, provenance=provenance, host=host, trace=trace, in_force=in_force)


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = write_experiment(tmp_path_factory.mktemp("tables"), BODY, texts=("one",))
    return summarise(run(path, two_machines), Config(), "local", collect_provenance())


def test_the_summary_is_one(summary: Any) -> None:
    document = json.loads(summary.model_dump_json())
    jsonschema.validate(document, summary_model("sweep").model_json_schema(mode="serialization"))
    assert document["exit_status"] == 1 and document["command"] == "sweep"
    assert (
        document["headline"] == "exp: 4 conditions, 10 runs; 1 conclusion: 1 FAIL; 1 condition skipped; 2 runs failed"
    )


def test_csv_has_every_metric_and_every_machine(summary: Any, tmp_path: Path) -> None:
    write_tables(summary, tmp_path)
    table = pd.read_csv(tmp_path / "decision_table.csv", keep_default_na=False)
    assert set(METRICS) < set(table.columns)
    by_place = table.set_index(["condition", "machine"])
    assert by_place.loc[("b", ""), "hash_unique"] == "2" and by_place.loc[("b", "b" * 64), "hash_unique"] == "1"
    assert by_place.loc[("b", ""), "first_diff_frame"] == "9" and by_place.loc[("a", ""), "first_diff_frame"] == ""
    assert by_place.loc[("c", ""), "skipped"] == "skipped: needs 1 CUDA device, 0 there"
    assert by_place.loc[("c", ""), "runs"] == ""
    assert float(str(by_place.loc[("a", ""), "ttfa_p50_ms"])) == 102.5
    assert ("all together", "") in by_place.index


def test_markdown_tells_all(summary: Any) -> None:
    text = markdown(summary)
    for part in (
        "| Is it \\| stable? | `hash_unique == 1` | each | **fails** |",
        "- c: skipped: needs 1 CUDA device, 0 there",
        "- broken: 2 runs failed, the first with: RuntimeError: a \\| b \\<c>",
        "- b, one__ryan: differs between machines only",
        "- a: 4 clean runs bound the drift rate at ≤ 53 % (95 %)",
        "- b: drift: 2 of 4 runs differ from the first",
        "- other (bbbbbbbb): machine_id: " + "a" * 64 + " against " + "b" * 64 + "; package torch: absent against 2.0",
        "- a: its runs had different settings in force: threads",
        "frame 4, cb 2",
        "| cb 15 |",
    ):
        assert part in text, part
    assert "- a, one__ryan" not in text
    blocks = [block.splitlines() for block in text.replace("\\|", "").split("\n\n") if block.startswith("|")]
    assert len(blocks) == 4, "conclusions, conditions, draws, machines"
    for lines in blocks:
        assert len(lines) > 2 and len({line.count("|") for line in lines}) == 1


def test_the_conditions_of_the_table_are_the_experiments(summary: Any, tmp_path: Path) -> None:
    experiment, _ = prepared(write_experiment(tmp_path, BODY))
    assert [row.name for row in summary.conditions] == [c.name for c in experiment.conditions]


def stopping(job: Job) -> Any:
    """The second run under a stops for six seconds; b gives a frame less in its third run, and fails in its fourth."""
    if (job.condition, job.repeat) == ("b", 4):
        raise RuntimeError("broken")
    codes = codes_of(job)[: 11 if (job.condition, job.repeat) == ("b", 3) else 12]
    late = 6.0 if (job.condition, job.repeat) == ("a", 2) else 0.0
    seconds = 0.2 + 0.001 * job.repeat + late
    times = {"ttfa_ms": 100.0 + job.repeat, "code_ms": 1000 * seconds, "total_s": seconds, "decode_calls": 3}
    return result_of(job, codes, timings=times, samples=1920 * len(codes))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Any:
    body = BODY.partition('[[condition]]\nname = "c"')[0]
    body += '[[conclusion]]\nquestion = "Did none stall?"\nexpect = "stalls == 0"\n'
    path = write_experiment(tmp_path_factory.mktemp("stopped"), body, texts=("one",))
    return summarise(run(path, stopping), Config(), "local", collect_provenance())


def test_a_run_that_stopped_is_listed_counted_and_judged(stopped: Any) -> None:
    row, other = stopped.conditions
    assert row.stalled == (StalledRun("a, one__ryan, run 2", None, 6202.0, 203.5),) and other.stalled == ()
    assert (row.value("stalls"), other.value("stalls"), stopped.total.value("stalls")) == (1, 0, 1)
    said = "stall in a, one__ryan, run 2: 6202 ms against a median of 204 ms"
    assert said in stopped.notes and f"- {said}" in markdown(stopped)
    (conclusion,) = stopped.conclusions
    assert conclusion.outcome == "fails" and "stalls = 1" in conclusion.reason
    # The median hides it, and the longest shows it.
    assert row.value("code_p50_ms") == pytest.approx(203.5) and row.value("code_max_ms") == pytest.approx(6202)


def test_the_console_shows_sizes_kinds_missing_dumps_and_the_longest_times(stopped: Any) -> None:
    stream = io.StringIO()
    render(stopped, Console(file=stream, width=160))
    lines = stream.getvalue().splitlines()
    cells = [line.split() for line in lines]
    assert ["a", "4", "0", "1", "0", "12", "0.96", "3", "1", "1", "–", "–"] in cells
    assert ["b", "3", "1", "0", "1", "11-12", "0.96", "3", "2", "1", "11", "length"] in cells
    assert any(line.split()[:2] == ["a", "102/104/104"] and "204/5302/6202" in line for line in lines)
    assert max(map(len, lines[:20])) <= 160 and not any("…" in line for line in lines)


def test_the_files_have_the_same_columns(stopped: Any, tmp_path: Path) -> None:
    write_tables(stopped, tmp_path)
    table = pd.read_csv(tmp_path / "decision_table.csv", keep_default_na=False)
    table = table[table["machine"] == ""].set_index("condition")
    wanted = {"first_diff_kind": "length", "frames_least": "11", "frames_most": "12", "missing_dumps": "1"}
    assert {name: str(table.loc["b", name]) for name in wanted} == wanted
    head = next(line for line in markdown(stopped).splitlines() if line.startswith("| condition"))
    shown = ("stalls", "missing_dumps", "frames_most", "duration_s", "decode_calls_most", "first_diff_kind", "rtf_max")
    assert all(f" {name} " in head for name in shown)
