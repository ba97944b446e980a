"""One engine at a time: kept for its configuration, closed before that of another is loaded."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from tests.fakes import PROVENANCE, FakeEngine, codes_of
from ttsctl.bisect import fresh_runs
from ttsctl.bisect.fresh_runs import FreshEngines
from ttsctl.core.config import Config, StreamConfig
from ttsctl.core.errors import EngineError
from ttsctl.core.request import Request, Voice

REQUEST = Request("one", Voice("v"), "t1")
A, B = Config(), Config(stream=StreamConfig(packet_tokens=8))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """Every engine that was loaded, in order."""
    engines: list[FakeEngine] = []

    def load(config: Config) -> FakeEngine:
        assert all(engine.closed for engine in engines), "an engine is loaded beside another"
        engines.append(FakeEngine(config))
        return engines[-1]

    monkeypatch.setattr(fresh_runs, "load_engine", load)
    return engines


def test_an_engine_is_kept_for_its_configuration(loaded: list[FakeEngine]) -> None:
    with contextlib.closing(FreshEngines()) as fresh:
        for config in (A, A, B, A):
            codes = fresh.run(config, REQUEST)
        assert np.array_equal(codes, codes_of("onev", 14)) and fresh.provenance() == PROVENANCE
        assert [engine.config for engine in loaded] == [A, B, A]
        assert [engine.closed for engine in loaded] == [True, True, False]
    assert loaded[-1].closed


def test_a_failure_of_the_engine_is_one_line(loaded: list[FakeEngine]) -> None:
    with contextlib.closing(FreshEngines()) as fresh:
        fresh.run(A, REQUEST)
        loaded[0].faults["t1"] = "raise"
        with pytest.raises(EngineError, match=r"the engine failed: the$"):
            fresh.run(A, REQUEST)
    assert loaded[0].closed


def test_what_an_engine_notes_is_kept_once_a_text(loaded: list[FakeEngine]) -> None:
    with contextlib.closing(FreshEngines()) as fresh:
        fresh.run(A, REQUEST)
        assert fresh.notes() == []
        loaded[0].faults["t1"] = "clamped"
        fresh.run(A, REQUEST)
        fresh.run(A, REQUEST)
        assert fresh.notes() == ["t1: determinism.clamp_codes: 3 ids were moved into range"]
