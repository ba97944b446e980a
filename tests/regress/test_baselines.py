"""Baselines: what one holds, that it is never overwritten, and which runs may become one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeEngine, codes_of
from tests.regress.regress_fakes import Run
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import InputError
from ttsctl.dumps.compare import compare_dumps
from ttsctl.regress.baseline import read_baseline
from ttsctl.regress.publish import publish_baseline, why_no_baseline


def altered(folder: Path, change: object) -> None:
    """Rewrite ``baseline.json`` with ``change(document)`` applied."""
    path = folder / "baseline.json"
    document = json.loads(path.read_text())
    assert callable(change)
    change(document)
    path.write_text(json.dumps(document))


@pytest.fixture
def golden(run: Run, tmp_path: Path) -> Path:
    run(FakeEngine(), writing=True)
    publish_baseline(tmp_path / "run0", tmp_path / "golden")
    return tmp_path / "golden"


def test_a_run_leaves_a_baseline_with_its_codes_and_audio(golden: Path) -> None:
    case = read_baseline(golden).cases[0]
    assert case.codes_sha256 == codes_sha256(codes_of("This is long_01.ryan", 14))
    assert (case.frames, case.packet_tokens, len(case.packet_sha256)) == (14, 4, 4)
    assert case.metrics["ttfa_ms"] == 120.0
    assert sorted(p.name for p in (golden / "wav").iterdir()) == [
        "long_01__ryan_stream.wav",
        "short_01__ryan_stream.wav",
    ]


def test_dumps_of_a_run_are_dumps_that_compare(run: Run, tmp_path: Path) -> None:
    run(FakeEngine(faults={"long_01": "drift"}))
    found = {r.request: r for r in compare_dumps([tmp_path / "run0" / "codes"]).requests}
    assert sorted((r.hash_unique, len(r.dumps)) for r in found.values()) == [(1, 5), (2, 5)]


@pytest.mark.parametrize("where", ["codes_sha256", "packet_sha256"])
def test_an_altered_golden_hash_is_status_1(run: Run, golden: Path, where: str) -> None:
    def alter(document: dict[str, Any]) -> None:
        case = document["cases"][0]
        case[where] = "f" * 64 if where == "codes_sha256" else ["f" * 64, *case[where][1:]]

    assert run(FakeEngine(), gates="codes_baseline = true", baseline=golden).outcome.status == 0
    altered(golden, alter)
    result = run(FakeEngine(), gates="codes_baseline = true", baseline=golden)
    assert result.outcome.status == 1
    assert [(v.gate, v.where) for v in result.verdicts if v.status == "fail"] == [("codes_baseline", "long_01__ryan")]


def test_a_changed_text_is_not_comparable(run: Run, golden: Path) -> None:
    altered(golden, lambda d: d["cases"][0]["request"].update(text_sha256="e" * 64))
    result = run(FakeEngine(), gates="codes_baseline = true", baseline=golden)
    found = {v.where: v.status for v in result.verdicts if v.gate == "codes_baseline"}
    assert found == {"long_01__ryan": "not_comparable", "short_01__ryan": "pass"}
    assert result.outcome.status == 3


def test_a_baseline_without_audio_compares_the_rest(run: Run, golden: Path) -> None:
    (golden / "wav" / "long_01__ryan_stream.wav").unlink()
    result = run(FakeEngine(), gates="codes_baseline = true", baseline=golden)
    found = {v.where: (v.status, v.reason) for v in result.verdicts if v.gate == "snr_baseline_db"}
    assert found["long_01__ryan"] == ("not_comparable", "the baseline has no audio of this case")
    assert found["short_01__ryan"] == ("pass", None)
    assert result.outcome.status == 0


def test_a_figure_that_the_baseline_lacks_is_not_comparable(run: Run, golden: Path) -> None:
    altered(golden, lambda d: d["cases"][1]["metrics"].pop("ttfa_ms"))
    result = run(FakeEngine(), baseline=golden)
    verdict = next(v for v in result.verdicts if v.gate == "ttfa_p50_baseline")
    assert (verdict.status, verdict.reason) == ("not_comparable", "short_01__ryan: the baseline has no ttfa_ms")


def test_writing_a_baseline_skips_the_gates_against_it(run: Run) -> None:
    result = run(FakeEngine(), gates="codes_baseline = true", writing=True)
    found = {v.gate: v.status for v in result.verdicts if v.gate.endswith("baseline") or v.gate == "snr_baseline_db"}
    assert set(found.values()) == {"skipped"}
    assert result.outcome.status == 0


def test_a_baseline_is_never_overwritten(run: Run, golden: Path, tmp_path: Path) -> None:
    before = (golden / "baseline.json").read_bytes()
    with pytest.raises(InputError, match="already there"):
        publish_baseline(tmp_path / "run0", golden)
    assert (golden / "baseline.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [("raise", "cases failed: long_01__ryan"), ("drift", "codes not shown to be the same in every run: long_01__ryan")],
)
def test_a_run_that_failed_or_drifts_becomes_no_baseline(run: Run, fault: str, why: str) -> None:
    assert why_no_baseline(run(FakeEngine(faults={"long_01": fault})).cases) == why
    assert why_no_baseline(run(FakeEngine()).cases) is None
    assert why_no_baseline([]) == "no case ran"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.pop("cases"), "cases: Field required"),
        (lambda d: d["cases"][0].update(frames="14"), "cases.0.frames"),
        (lambda d: d.update(schema_version="2.0"), "expected a JSON object with schema_version 1.0"),
    ],
)
def test_a_broken_baseline_is_an_input_error(golden: Path, change: object, says: str) -> None:
    altered(golden, change)
    with pytest.raises(InputError) as caught:
        read_baseline(golden)
    assert says in str(caught.value)


def test_broken_audio_of_a_baseline_is_an_input_error_before_anything_runs(run: Run, golden: Path) -> None:
    wav = golden / "wav" / "short_01__ryan_stream.wav"
    wav.write_bytes(wav.read_bytes()[:30])
    engine = FakeEngine()
    with pytest.raises(InputError, match="short_01__ryan_stream"):
        run(engine, baseline=golden)
    assert engine.calls == []


def test_a_folder_that_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no baseline\.json in it"):
        read_baseline(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        read_baseline(tmp_path / "nowhere")


KILLED = """
import os, sys
from pathlib import Path
from ttsctl.regress import publish

publish.shutil.copy2 = lambda *_: os._exit(9)
publish.publish_baseline(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_what_a_killed_run_left_of_its_copy_is_swept(tmp_path: Path) -> None:
    (tmp_path / "run" / "wav").mkdir(parents=True)
    (tmp_path / "run" / "baseline.json").write_text("{}")
    golden = tmp_path / "baselines" / "golden"
    line = [sys.executable, "-c", KILLED, str(tmp_path / "run"), str(golden)]
    assert subprocess.run(line, check=False, timeout=60).returncode == 9
    left = [path.name for path in golden.parent.iterdir()]
    assert len(left) == 2 and all(name.startswith(".golden-") for name in left)
    # Of another baseline nothing is touched.
    publish_baseline(tmp_path / "run", golden.with_name("other"))
    assert {*left, "other"} == {path.name for path in golden.parent.iterdir()}
    publish_baseline(tmp_path / "run", golden)
    assert {"golden", "other"} == {path.name for path in golden.parent.iterdir()}
