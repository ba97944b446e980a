"""Runs that are made now, on fake engines: which are loaded, and that every one is closed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.explain.fake_forensic import REQUEST, FakeForensicEngine, Fault
from tests.fakes import FakeEngine
from ttsctl.core.config import Config, RecordConfig, StreamConfig
from ttsctl.core.engine import Engine
from ttsctl.core.errors import EngineError, InputError
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.trace import TraceLevel
from ttsctl.explain import live as engines
from ttsctl.explain.investigate import Investigation, Methods
from ttsctl.explain.live import explain_live
from ttsctl.explain.summary import ExplainContext

A, B = Config(), Config(stream=StreamConfig(packet_tokens=3))
Load = Callable[[Config], Engine]


def explained(
    monkeypatch: pytest.MonkeyPatch, load: Load, *configs: Config, runs: int = 2
) -> tuple[Investigation, ExplainContext]:
    monkeypatch.setattr(engines, "load_engine", load)
    return explain_live(configs, REQUEST, runs, Methods(jitter_seeds=(1,)), lambda: None)


def test_two_configurations_are_two_engines_which_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {3: FakeForensicEngine(faults=[Fault("talker.hidden", 4, 0)]), 4: FakeForensicEngine()}
    found, context = explained(monkeypatch, lambda config: made[config.stream.packet_tokens], A, B)
    assert found.comparison.first is not None and found.comparison.first.point == "talker.hidden"
    assert found.proven is True and all(engine.closed for engine in made.values())
    assert context.runs is None and context.condition_differences == ["config stream.packet_tokens: 4 against 3"]


def test_what_is_recorded_makes_no_other_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeForensicEngine] = []

    def load(config: Config) -> FakeForensicEngine:
        made.append(FakeForensicEngine())
        return made[-1]

    found, _ = explained(monkeypatch, load, A, replace(A, record=RecordConfig(trace="codes")))
    assert found.comparison.first is None and len(made) == 1 and made[0].closed


def test_an_engine_that_fails_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeForensicEngine()

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory\nat some place")

    monkeypatch.setattr(engine, "record", fail)
    with pytest.raises(EngineError, match=r"the engine failed: out of memory$"):
        explained(monkeypatch, lambda config: engine, A)
    assert engine.closed


def test_an_engine_without_traces_is_refused_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    with pytest.raises(InputError, match="cannot show traces"):
        explained(monkeypatch, lambda config: engine, A)
    assert engine.closed


def test_what_the_engine_notes_in_a_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeForensicEngine()
    record = engine.record

    def noting(request: Request, level: TraceLevel) -> Run:
        return replace(record(request, level), notes=("determinism.clamp_codes: 3 ids were moved into range",))

    _, silent = explained(monkeypatch, lambda config: FakeForensicEngine(), A)
    monkeypatch.setattr(engine, "record", noting)
    _, context = explained(monkeypatch, lambda config: engine, A)
    assert silent.notes == []
    assert [note.partition(": ")[2] for note in context.notes] == [
        "determinism.clamp_codes: 3 ids were moved into range"
    ] * 2
