"""``runs.csv``: every run with what it gave, and with the reason where it gave nothing."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from tests.sweep.sweep_fakes import codes_of, result_of, run, skipped, steady, write_experiment
from ttsctl.core.codes import codes_sha256
from ttsctl.runs.job import Job, JobResult
from ttsctl.sweep.artifacts import write_sweep_files
from ttsctl.sweep.run_rows import RUNS_CSV, run_rows, write_run_rows

BODY = """
repeats = 3
[[condition]]
name = "a"
[[condition]]
name = "b"
[[condition]]
name = "d"
run = "decode"
codes_of = "a"
[[condition]]
name = "c"
run = "codegen"
"""


def uneven(job: Job) -> JobResult:
    """Under b: the first run has another id in frame 5, the second is cut at frame 7, and the third fails."""
    if job.condition != "b":
        return steady(job)
    codes = codes_of(job)
    if job.repeat == 3:
        raise RuntimeError("the engine broke")
    if job.repeat == 1:
        codes[5, 3] += 1
    return result_of(job, codes if job.repeat == 1 else codes[:7])


def rows_of(tmp_path: Path, work: Any = uneven) -> dict[tuple[str, int], dict[str, Any]]:
    result = run(write_experiment(tmp_path, BODY, texts=("one",)), work)
    requests = {case.id: case.request for case in result.experiment.cases}
    rows = run_rows(result.results, requests, result.experiment.reference)
    assert len(rows) == len(result.results) == 12
    return {(row["condition"], row["repeat"]): row for row in rows}


def test_what_a_run_gave(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    row = rows["a", 2]
    assert (row["case"], row["text"], row["voice"], row["status"], row["reason"]) == (
        "one__ryan",
        "one",
        "ryan",
        "clean",
        None,
    )
    assert (row["frames"], row["duration_s"], row["code_ms"], row["ttfa_ms"]) == (12, 12 * 40 / 24_000, 50.0, 102.0)
    assert row["dump"] == "codes/a/codes_one__ryan_run2.npy" and row["dump_reason"] is None
    assert (row["first_diff_frame"], row["reference_first_diff_frame"], row["clamped"]) == (None, None, 0)
    assert row["pcm_sha256"] and row["codes_sha256"] == rows["a", 1]["codes_sha256"]
    assert rows["c", 1]["duration_s"] is None and rows["c", 1]["frames"] == 12


def test_where_a_run_first_differs_and_how(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    diffs = [
        [rows["b", n][key] for key in ("first_diff_frame", "first_diff_kind")]
        + [rows["b", n][f"reference_{key}"] for key in ("first_diff_frame", "first_diff_kind")]
        for n in (1, 2, 3)
    ]
    assert diffs == [[None, None, 5, "value"], [5, "value", 7, "length"], [None, None, None, None]]


def test_no_run_and_no_dump_have_their_reason(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    failed, decoded = rows["b", 3], rows["d", 1]
    assert (failed["status"], failed["dump"], failed["dump_reason"]) == ("failed", None, "there is no run")
    assert "the engine broke" in failed["reason"] and failed["frames"] is None
    assert (decoded["frames"], decoded["dump"], decoded["dump_reason"]) == (None, None, "its codes were given")
    assert decoded["duration_s"] is not None
    missing = rows_of(tmp_path / "skipped", lambda job: skipped(job, "no GPU"))["a", 1]
    assert (missing["status"], missing["reason"], missing["dump"]) == ("skipped", "no GPU", None)


def test_the_file_names_the_dumps_that_are_there(tmp_path: Path) -> None:
    result = run(write_experiment(tmp_path, BODY, texts=("one",)), uneven)
    requests = {case.id: case.request for case in result.experiment.cases}
    write_sweep_files(tmp_path / "home", result.results, requests, result.configs, lambda _: None)
    write_run_rows(tmp_path / "home", result.results, requests, "a")
    with (tmp_path / "home" / RUNS_CSV).open(newline="") as file:
        rows = list(csv.DictReader(file))
    named = [row["dump"] for row in rows if row["dump"]]
    there = {path.relative_to(tmp_path / "home").as_posix() for path in (tmp_path / "home").rglob("codes_*.npy")}
    assert set(named) == there and len(named) == len(there) == 8
    for row in rows:
        if row["dump"]:
            assert codes_sha256(np.load(tmp_path / "home" / row["dump"])) == row["codes_sha256"]
    assert [row["frames"] for row in rows][:5] == ["12", "12", "12", "12", "7"]
