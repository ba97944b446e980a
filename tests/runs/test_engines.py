"""``engine.kind`` picks an engine from the registry; what an engine cannot do is one clear line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes import FakeEngine
from ttsctl.core.capabilities import code_generator_of, decoder_of, forensic_of, offline_speaker_of
from ttsctl.core.config import Config, EngineConfig
from ttsctl.core.engine import Capabilities
from ttsctl.core.errors import InputError
from ttsctl.runs.engines import load_engine

NOTHING = Capabilities(codes=False, decoding=False, offline=False, traces=False, seeds=False)


class Mute(FakeEngine):
    """An engine that claims to do nothing but stream."""

    @property
    def capabilities(self) -> Capabilities:
        return NOTHING


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"engine.kind = 'locl': no such engine; did you mean 'local'\?"):
        load_engine(Config(engine=EngineConfig(kind="locl")))


@pytest.mark.parametrize("ask", [code_generator_of, decoder_of, forensic_of, offline_speaker_of])
def test_what_an_engine_denies_is_refused_in_one_line(ask: object) -> None:
    with pytest.raises(InputError, match=r"engine.kind = 'local': this engine cannot .*; use engine.kind = 'local'"):
        ask(Mute())  # type: ignore[operator]


def test_what_an_engine_claims_is_given() -> None:
    engine = FakeEngine()
    assert decoder_of(engine) is engine and offline_speaker_of(engine) is engine and code_generator_of(engine) is engine
    assert engine.capabilities.concurrency == 1 and replace(engine.capabilities, traces=True).traces
    with pytest.raises(InputError, match="traces"):
        forensic_of(engine)
