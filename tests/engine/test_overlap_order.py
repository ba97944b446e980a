"""What is generated when: lock-step while prefilling, then a bounded lead, and nothing once a stream is closed."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine_help import close_early, make_engine
from tests.overlap_help import REQUEST, SHORT, bits, codegen_threads
from ttsctl.core.errors import InputError
from ttsctl.core.request import Chunk
from ttsctl.core.trace import no_draws, no_prints
from ttsctl.engine.codegen.sources import PACKETS_AHEAD, ThreadSource
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodegenStage, CodePacket, Permit
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.switches import InForce, snapshot


class FakeStage:
    """Generates numbered packets as fast as it is let, and keeps which were begun."""

    def __init__(self, prefill: int, packets: int) -> None:
        self.config = make_config(prefill)
        self.in_force = InForce(snapshot())
        self.asked = 0
        self.begun: list[int] = []
        self._packets = packets

    def packets(
        self, request: Any, clock: Clock, probes: CodegenProbes, permit: Permit
    ) -> Iterator[CodePacket | CodeEnd]:
        for index in range(self._packets):
            self.asked = index
            permit.wait_for(index)
            self.begun.append(index)
            yield CodePacket(np.full((1, 16), index), 0.0, clock.now_ms())
        yield CodeEnd(self._packets, False, None, (), no_draws(), no_prints())


def make_config(prefill: int) -> Any:
    from ttsctl.runs.resolve_config import resolve_config

    return resolve_config({}, None, [f"stream.prefill_packets={prefill}", "stream.overlap=thread"])


def source_of(stage: FakeStage) -> ThreadSource:
    fake: Any = stage
    return ThreadSource(fake, REQUEST, Clock.start(), CodegenProbes())


def begun_when_asking(stage: FakeStage, packet: int) -> int:
    """How many packets were begun once the permit is asked for this one, and a little later, for it might not wait."""
    until = time.monotonic() + 20
    while stage.asked < packet and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.02)
    return len(stage.begun)


@pytest.mark.parametrize("prefill", [0, 1, 3])
def test_the_lead_is_bounded_and_prefill_is_in_lock_step(prefill: int) -> None:
    stage = FakeStage(prefill, packets=50)
    source = source_of(stage)
    for taken in range(1, 7):
        source.next()
        # Taken and not decoded: in lock-step nothing else may begin.
        begun = taken if taken <= prefill else taken + PACKETS_AHEAD
        assert begun_when_asking(stage, begun) == begun
        source.decoded()
        begun = taken + 1 if taken < prefill else taken + PACKETS_AHEAD
        assert begun_when_asking(stage, begun) == begun
    source.close()


def test_nothing_is_taken_and_the_lead_is_bounded() -> None:
    stage = FakeStage(0, packets=50)
    source = source_of(stage)
    assert begun_when_asking(stage, PACKETS_AHEAD) == PACKETS_AHEAD
    source.close()
    assert len(stage.begun) == PACKETS_AHEAD and not codegen_threads()


@pytest.fixture(scope="module")
def greedy_bits() -> tuple[str, str]:
    return bits(make_engine("builtin", SHORT))


@pytest.fixture
def generations(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Any]]:
    """Weak references to the state of every generation that is begun."""
    kept: list[weakref.ref[Any]] = []
    begin: Callable[..., Any] = CodegenStage.begin

    def remember(self: CodegenStage, *arguments: Any) -> Any:
        generation, seed = begin(self, *arguments)
        kept.extend([weakref.ref(generation), weakref.ref(generation.state)])
        return generation, seed

    monkeypatch.setattr(CodegenStage, "begin", remember)
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["none", "thread"])
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_closing_early_frees_everything(
    overlap: str, taken: int, generations: list[weakref.ref[Any]], greedy_bits: tuple[str, str]
) -> None:
    engine = make_engine(
        "builtin", SHORT, f"stream.overlap={overlap}", "stream.packet_tokens=2", "stream.decode_every=2"
    )
    stream = engine.stream(REQUEST)
    for _ in range(taken):
        next(stream)
    calls = _count_decodes(engine)
    close_early(stream)
    del stream
    gc.collect()
    assert not codegen_threads()
    assert len(generations) == (2 if taken else 0) and all(reference() is None for reference in generations)
    assert calls == [], "closing must not decode what was put aside"
    if taken == 1:
        assert bits(engine) == greedy_bits


def _count_decodes(engine: LocalEngine) -> list[int]:
    calls: list[int] = []
    engine.decoder.pre_conv.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_the_hook_that_counts_decodes_works() -> None:
    engine = make_engine()
    calls = _count_decodes(engine)
    next(engine.stream(REQUEST))
    assert calls


def test_a_stream_that_is_dropped_ends_its_thread(generations: list[weakref.ref[Any]]) -> None:
    stream = make_engine("builtin", "stream.overlap=thread").stream(REQUEST)
    next(stream)
    assert len(codegen_threads()) == 1 and codegen_threads()[0].daemon
    del stream
    gc.collect()
    assert not codegen_threads() and all(reference() is None for reference in generations)


def test_an_error_of_code_generation_comes_out_of_the_stream(generations: list[weakref.ref[Any]]) -> None:
    engine = make_engine("builtin", "stream.overlap=thread")
    before = threading.active_count()
    with pytest.raises(InputError, match="split the text"):
        list(engine.stream(type(REQUEST)("word " * 40_000, REQUEST.voice)))
    assert threading.active_count() == before

    def broken(*_: Any) -> None:
        raise RuntimeError("planted")

    hook = engine.generator.talker.code_predictor.model.norm.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="planted"):
        list(engine.stream(REQUEST))
    hook.remove()
    assert not codegen_threads() and isinstance(next(engine.stream(REQUEST)), Chunk)


def test_an_error_of_the_decoder_ends_the_thread() -> None:
    engine = make_engine("builtin", "stream.overlap=thread")
    engine.decoder.pre_conv.register_forward_hook(_out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        list(engine.stream(REQUEST))
    assert not codegen_threads()


def _out_of_memory(*_: Any) -> None:
    raise torch.OutOfMemoryError("planted")
