"""Offline runs that decode the stream's codes: their drift does not spoil the audio, and what differs is still seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import FakeEngine
from tests.regress.regress_fakes import Run, write_suite
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.verdict import Verdict
from ttsctl.regress.command import RegressOptions, run_regress
from ttsctl.regress.measure import OFFLINE_FROM_CODES
from ttsctl.regress.run import SuiteResult
from ttsctl.regress.summary import summarise

FROM_CODES = "runs = 1\noffline_from_codes = true"
# Fakes have no truth about loudness.
GATES = "rms_min = false\nrms_max = false"


def verdicts(result: SuiteResult) -> dict[str, Verdict]:
    return {verdict.gate: verdict for verdict in result.verdicts}


def test_other_codes_offline_do_not_spoil_the_comparison_of_audio(run: Run) -> None:
    engine = FakeEngine(faults={"one": "offline codes"})
    found = verdicts(run(engine, body=FROM_CODES, gates=GATES, texts=("one",)))
    assert ("offline", "one") not in engine.calls
    skipped = found["offline_codes"]
    assert (skipped.status, skipped.value, skipped.reason) == ("skipped", None, OFFLINE_FROM_CODES)
    assert (found["mae_waveform"].status, found["mae_waveform"].value) == ("pass", 0.0)
    for gate in ("mae_waveform", "duration_diff_ms"):
        assert (found[gate].reason or "").endswith(OFFLINE_FROM_CODES), found[gate]
    # The control: an offline run with codes of its own fails.
    control = verdicts(run(FakeEngine(faults={"one": "offline codes"}), body="runs = 1", gates=GATES, texts=("one",)))
    assert control["offline_codes"].status == "fail"
    assert OFFLINE_FROM_CODES not in (control["mae_waveform"].reason or "")


@pytest.mark.parametrize(("fault", "gate"), [("quiet stream", "mae_waveform"), ("short stream", "duration_diff_ms")])
def test_a_stream_that_decodes_otherwise_fails_even_so(run: Run, fault: str, gate: str) -> None:
    result = run(FakeEngine(faults={"one": fault}), body=FROM_CODES, gates=GATES, texts=("one",))
    assert (verdicts(result)[gate].status, result.outcome.status) == ("fail", 1)


def test_a_required_gate_on_offline_codes_leaves_the_run_not_judged(run: Run) -> None:
    gates = f"{GATES}\noffline_codes = {{ required = true }}"
    result = run(FakeEngine(), body=FROM_CODES, gates=gates, texts=("one",))
    assert (verdicts(result)["offline_codes"].status, result.outcome.status) == ("not_comparable", 3)


def test_it_is_in_the_summary_and_no_dump_repeats_the_stream(run: Run, tmp_path: Path) -> None:
    result = run(FakeEngine(), body=FROM_CODES, gates=GATES, texts=("one",))
    summary = summarise(result, collect_provenance())
    assert summary.suite.offline_from_codes
    (case,) = summary.cases
    assert [facts.run for facts in case.runs] == ["stream", "offline_from_codes", "repeat_1"]
    assert case.runs[1].codes_sha256 == case.runs[0].codes_sha256
    assert case.metrics["offline_codes_equal"].reason == OFFLINE_FROM_CODES
    dumps = sorted(path.name for path in (tmp_path / "run0" / "codes").glob("codes_*.npy"))
    assert dumps == ["codes_one__ryan_repeat_1.npy", "codes_one__ryan_stream.npy"]
    assert (tmp_path / "run0" / "wav" / "one__ryan_offline.wav").is_file()


def test_no_baseline_is_made_of_it(tmp_path: Path) -> None:
    path = write_suite(tmp_path / "suite", FROM_CODES)
    with pytest.raises(InputError, match="a baseline needs offline runs that make their own codes"):
        run_regress(RegressOptions(str(path), write_baseline=tmp_path / "new", out=tmp_path / "out"))
    plain = write_suite(tmp_path / "plain", "runs = 1")
    options = RegressOptions(str(plain), write_baseline=tmp_path / "new", out=tmp_path / "out", offline_from_codes=True)
    with pytest.raises(InputError, match="leave out --offline-from-codes"):
        run_regress(options)
