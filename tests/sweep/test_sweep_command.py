"""The command on the built-in checkpoint: table, dumps, exit status, a process a run, interruption and what is kept."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.sweep.sweep_fakes import write_experiment
from ttsctl.sweep.summary import SweepSummary

SHORT = "warmup = 0\n[sampling]\nmax_new_tokens = 6\n[determinism]\nsingle_thread = true\n"
COMMAND = [sys.executable, "-m", "ttsctl", "sweep"]
TIMEOUT_S = 120


def sweep(path: Path, *options: str) -> tuple[int, dict[str, Any], Path]:
    """(exit status, summary, run folder)."""
    line = [*COMMAND, str(path), "--out", str(path.parent / "out"), "--json", *options]
    done = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), path.parent / "out" / "sweep" / "latest"


def processes_of(marker: str) -> list[int]:
    """Ids of the processes whose command line or environment has this word: ours, for it is a path of this test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in text:
                found.append(int(entry.name))
    return found


KINDS = """
[record]
packets = true
trace = "codes"
[[condition]]
name = "stream"
[[condition]]
name = "overlap"
set = { "stream.overlap" = "thread", "stream.packet_tokens" = 2 }
[[condition]]
name = "codes_only"
run = "codegen"
[[condition]]
name = "offline"
run = "offline"
[[condition]]
name = "decoded"
run = "decode"
codes_of = "stream"
[[condition]]
name = "decoded_at_once"
run = "decode_offline"
codes_of = "stream"
[[condition]]
name = "no_such_setting_here"
set = { "engine.device" = "cuda:99" }
[[condition]]
name = "cluster"
requires = "cuda >= 1000"
[[conclusion]]
question = "Do all ways of speaking give the same codes?"
expect = "hash_unique == 1 and errors == 0"
over = "all"
conditions = ["stream", "overlap", "codes_only", "offline"]
[[conclusion]]
question = "Is streamed audio the same in all packet sizes, and decoded again?"
expect = "pcm_hash_unique == 1"
over = "all"
conditions = ["stream", "overlap", "decoded"]
[[conclusion]]
question = "Is one call as good?"
expect = "reference_mae <= 1e-3"
conditions = ["offline", "decoded_at_once"]
[[conclusion]]
question = "Is this false?"
expect = "first_packet_hash_unique > 1"
conditions = ["stream"]
[[conclusion]]
question = "Was the cluster judged?"
expect = "hash_unique == 1"
conditions = ["cluster"]
"""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every kind of run, once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("kinds")
    return sweep(write_experiment(folder, "repeats = 2\n" + SHORT + KINDS, texts=("one",)))


@pytest.mark.slow
def test_every_kind_of_run(kinds: Any) -> None:
    status, summary, _ = kinds
    assert [c["outcome"] for c in summary["conclusions"]] == ["holds", "holds", "holds", "fails", "not judged"]
    assert status == summary["exit_status"] == 1
    rows = {row["name"]: row for row in summary["conditions"]}

    def value(name: Any, metric: Any) -> Any:
        return rows[name]["metrics"][metric]["value"]

    assert value("stream", "ttfa_p50_ms") > 0 and value("codes_only", "ttfp_p50_ms") > 0
    assert value("codes_only", "pcm_hash_unique") is None and value("decoded", "hash_unique") is None
    assert value("decoded", "decode_first_p50_ms") > 0 and value("decoded", "code_p50_ms") is None
    assert value("overlap", "topk_logits_differ") == 0 and value("offline", "topk_ids_differ") is None
    assert rows["cluster"]["skipped"].startswith("skipped: needs 1000 CUDA devices")
    assert value("no_such_setting_here", "errors") == 2
    assert "cuda:99" in rows["no_such_setting_here"]["first_error"]
    assert rows["stream"]["in_force"]["threads"] == 1
    assert rows["stream"]["power"].startswith("2 clean runs bound the drift rate at ≤ 78 %")


@pytest.mark.slow
def test_summary_is_as_published(kinds: Any) -> None:
    _, summary, folder = kinds
    assert summary == json.loads((folder / "summary.json").read_text())
    jsonschema.validate(summary, SweepSummary.model_json_schema(mode="serialization"))
    assert set(summary["definitions"]) == set(summary["conditions"][0]["metrics"])


@pytest.mark.slow
def test_table_and_dumps(kinds: Any) -> None:
    _, summary, folder = kinds
    with (folder / "decision_table.csv").open(newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [row["condition"] for row in table] == [*(r["name"] for r in summary["conditions"]), "all together"]
    assert (table[0]["hash_unique"], table[0]["errors"], table[-2]["hash_unique"]) == ("1", "0", "")
    text = (folder / "decision_table.md").read_text()
    for part in ("| **fails** |", "| **not judged** |", "≤ 78 %", "needs 1000 CUDA devices", "cuda:99", "cb 15"):
        assert part in text
    codes = np.load(folder / "codes" / "overlap" / "codes_one__ryan_run2.npy", allow_pickle=False)
    other = np.load(folder / "codes" / "stream" / "codes_one__ryan_run1.npy", allow_pickle=False)
    assert np.array_equal(codes, other) and len(codes)
    names = {path.name for path in (folder / "codes" / "stream").iterdir()}
    assert {"trace_one__ryan_run1.npz", "packets_one__ryan_run1.json", "manifest.json"} <= names
    packets = json.loads((folder / "codes" / "overlap" / "packets_one__ryan_run1.json").read_text())["packets"]
    assert sum(p["frames"] for p in packets) == len(codes)
    assert {path.name for path in (folder / "wav").iterdir()} == {
        "stream",
        "overlap",
        "offline",
        "decoded",
        "decoded_at_once",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ends", "isolation"), [(signal.SIGINT, "state"), (signal.SIGKILL, "process")], ids=["interrupt", "kill"]
)
def test_interrupted_leaves_no_process_and_goes_on(tmp_path: Path, ends: Any, isolation: Any) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to see which processes there are")
    # Long enough not to be over before the signal comes; all processes of it inherit the marker.
    body = f'repeats = 200\nisolation = "{isolation}"\n' + SHORT + '[record]\ntrace = "codes"\n'
    path = write_experiment(tmp_path, body, texts=("one",))
    line = [*COMMAND, str(path), "--out", str(tmp_path / "out")]
    marker = f"TTSCTL_TEST_{tmp_path.name}"
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, marker: "1"},
        start_new_session=True,
    )
    try:
        wait_until(lambda: len(list((tmp_path / "out" / "sweep").glob(".exp-*/[!.]*.json"))) >= 2)
        # To the whole group, as a terminal would; a kill only to the one process.
        if ends == signal.SIGINT:
            os.killpg(process.pid, ends)
        else:
            process.kill()
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    wait_until(lambda: not processes_of(marker))
    (store,) = (tmp_path / "out" / "sweep").glob(".exp-*")
    kept = [json.loads(path.read_text())["result"] for path in store.glob("[!.]*.json")]
    done = len(kept)
    # A fresh process for every run, or one engine for all.
    assert len({result["pid"] for result in kept}) == (done if isolation == "process" else 1)
    if ends == signal.SIGINT:
        assert process.returncode == 130 and stdout == ""
        assert stderr == (
            f"ttsctl: interrupted; {done} runs are kept in {store}; the same command goes on from there, "
            "--fresh starts anew\n"
        )
    status, summary, folder = sweep(path, "--repeats", str(done))
    metrics = {name: figure["value"] for name, figure in summary["conditions"][0]["metrics"].items()}
    assert (metrics["runs"], metrics["errors"], metrics["hash_unique"], metrics["topk_logits_differ"]) == (
        done,
        0,
        1,
        0,
    )
    assert len(list((folder / "codes" / "base").glob("trace_*.npz"))) == done
    assert summary["experiment"]["taken_up"] == done and status == 3
    assert any("interrupted" in note for note in summary["notes"])
    assert not store.exists()


def wait_until(there: Any) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not there():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
