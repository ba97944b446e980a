"""Ids that were moved into range are said by every command that speaks, and only where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import CLAMPED, PROVENANCE, FakeEngine
from tests.regress.regress_fakes import write_suite
from ttsctl.core.config import Config
from ttsctl.core.request import Request, Voice
from ttsctl.regress.run import run_suite
from ttsctl.regress.suite import load_suite
from ttsctl.regress.summary import summarise
from ttsctl.report import dump_codes, synth
from ttsctl.runs import engines

SAID = f"determinism.clamp_codes: {CLAMPED} ids were moved into range"
MOVED, CLEAN = (Request(f"This is {name}.", Voice("v"), text_id=name) for name in ("moved", "clean"))


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    found = FakeEngine(faults={"moved": "clamped"})
    monkeypatch.setattr(engines, "load_engine", lambda config: found)
    return found


def test_dump_codes(tmp_path: Path) -> None:
    summary, _ = dump_codes.run_dump_codes(Config(), [MOVED, CLEAN], 2, tmp_path, lambda: None)
    assert [request.clamped for request in summary.requests] == [CLAMPED, 0]
    assert summary.notes == [f"moved: {SAID}"], "once a text"


def test_synth(tmp_path: Path) -> None:
    moved, _ = synth.run_synth(Config(), MOVED, tmp_path, lambda: None)
    assert (moved.clamped, moved.notes) == (CLAMPED, [SAID])
    clean, _ = synth.run_synth(Config(), CLEAN, tmp_path, lambda: None)
    assert (clean.clamped, clean.notes) == (0, [])


def test_regress(engine: FakeEngine, tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path / "suite", "runs = 1", texts=("moved", "clean")))
    summary = summarise(run_suite(suite, Config(), lambda: engine, None, False, tmp_path / "run"), PROVENANCE)
    runs = {case.text_id: [(run.run, run.clamped) for run in case.runs] for case in summary.cases}
    assert runs["moved"] == [("stream", CLAMPED), ("offline", 0), ("repeat_1", CLAMPED)]
    assert {clamped for _, clamped in runs["clean"]} == {0}
    assert summary.notes == [f"moved__ryan: {SAID}"]
