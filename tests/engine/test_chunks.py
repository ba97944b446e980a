"""Chunks: one length, nothing lost, and no influence on codes or audio."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_help import make_engine
from tests.fakes import FakeEngine
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config, StreamConfig
from ttsctl.core.delivery import Chunker, chunk_samples
from ttsctl.core.errors import EngineError, InputError
from ttsctl.core.request import Chunk, Event, Packet, Request, Voice
from ttsctl.core.timing import chunk_timing, stream_timing
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodePacket
from ttsctl.engine.decode.deliver import deliver
from ttsctl.engine.decode.stage import Decoding
from ttsctl.engine.local import LocalEngine
from ttsctl.runs.run_stream import run_stream

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))


class Ticks:
    """A clock that goes on by one ms whenever it is read, so that no two events have one time."""

    def __init__(self) -> None:
        self.now = 0.0

    def now_ms(self) -> float:
        self.now += 1.0
        return self.now


def chunked(pieces: list[PcmArray], samples: int) -> list[Chunk]:
    chunker = Chunker(samples, Ticks().now_ms)
    return [*(chunk for piece in pieces for chunk in chunker.push(piece)), *chunker.rest()]


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 50))
def test_chunks_keep_every_sample(lengths: list[int], samples: int) -> None:
    whole = np.arange(sum(lengths), dtype=np.float32)
    pieces = np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []
    chunks = chunked(pieces, samples)
    sizes = [len(chunk.pcm) for chunk in chunks]
    assert sizes[:-1] == [samples] * (len(chunks) - 1) and all(0 < size <= samples for size in sizes)
    assert np.array_equal(np.concatenate([whole[:0], *(chunk.pcm for chunk in chunks)]), whole)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.offset for chunk in chunks] == [int(chunk.pcm[0]) for chunk in chunks]
    assert [chunk.at_ms for chunk in chunks] == sorted({chunk.at_ms for chunk in chunks})


def test_a_chunk_is_stamped_when_it_leaves_and_not_when_its_piece_came() -> None:
    clock = Ticks()
    chunks = Chunker(10, clock.now_ms).push(np.zeros(30, np.float32))
    assert next(chunks).at_ms == 1.0
    clock.now = 500.0  # the consumer takes its time
    assert next(chunks).at_ms == 501.0


def test_length_of_a_chunk() -> None:
    assert (chunk_samples(30.0, 24_000), chunk_samples(0.001, 24_000)) == (720, 1)


@pytest.mark.parametrize("chunk_ms", ["0", "-1", "0.5", "1e308", "60001", "inf", "nan"])
def test_chunk_ms_has_bounds(chunk_ms: str) -> None:
    with pytest.raises(InputError, match="chunk_ms"):
        make_engine("builtin", f"stream.chunk_ms={chunk_ms}")


class SourceOf:
    """Two packets of codes, and what was told to their source, in ``log``."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        packet = CodePacket(np.zeros((4, 16), np.int64), 5.0, 5.0)
        self.items: list[CodePacket | CodeEnd] = [packet, packet, cast("CodeEnd", "the end")]

    def next(self) -> CodePacket | CodeEnd:
        return self.items.pop(0)

    def has_next(self) -> bool:
        return bool(self.items)

    def decoded(self) -> None:
        self.log.append("decoded")

    def close(self) -> None:
        pass


class DecodesAtOnce:
    """A decoder that needs no time: 10 samples a packet, counted on."""

    calls = 0
    held = 1
    queues = False

    def take(self, codes: CodeArray) -> CodeArray:
        return codes

    def read_codes(self, taken: CodeArray) -> CodeArray:
        return taken

    def decode(self) -> PcmArray:
        self.calls += 1
        return np.arange(10 * self.calls - 10, 10 * self.calls, dtype=np.float32)

    def read_pcm(self, queued: PcmArray) -> PcmArray:
        return queued

    def flush(self) -> PcmArray:
        return np.empty(0, np.float32)


def delivered(samples: int) -> tuple[list[str], list[Event]]:
    """In which order two packets of 10 samples each leave in chunks of ``samples``, and the events."""
    log: list[str] = []
    events: list[Event] = []
    source, decoding, clock = SourceOf(log), cast("Decoding", DecodesAtOnce()), cast("Clock", Ticks())
    for event in deliver(source, decoding, clock, 1, 16, samples):
        if isinstance(event, Chunk | Packet):
            log.append(f"{type(event).__name__} {event.index}")
            events.append(event)
    return log, events


def test_the_first_chunk_of_a_packet_leaves_before_anything_else_is_done() -> None:
    log, events = delivered(4)
    first = ["Chunk 0", "decoded", "Chunk 1", "Packet 0"]
    assert log == [*first, "Chunk 2", "decoded", "Chunk 3", "Chunk 4", "Packet 1"]
    chunks = [event for event in events if isinstance(event, Chunk)]
    assert np.array_equal(np.concatenate([chunk.pcm for chunk in chunks]), np.arange(20))
    packet = next(event for event in events if isinstance(event, Packet))
    assert packet.pcm_at_ms is not None and chunks[0].at_ms == packet.pcm_at_ms + 1


def test_a_chunk_longer_than_a_packet_waits_for_its_samples() -> None:
    log, events = delivered(15)
    assert log == ["decoded", "Packet 0", "Chunk 0", "decoded", "Packet 1", "Chunk 1"]
    timing = [chunk_timing(event) for event in events if isinstance(event, Chunk)]
    packets = [event for event in events if isinstance(event, Packet)]
    waited = stream_timing(packets, 24_000, timing).ttfa_ms
    assert waited == timing[0].at_ms and packets[1].pcm_at_ms is not None and waited > packets[1].pcm_at_ms


class Garbles(FakeEngine):
    """Its chunks are not its packets' audio."""

    def stream(self, request: Request) -> Iterator[Event]:  # type: ignore[override]
        for event in super().stream(request):
            if isinstance(event, Packet):
                yield Chunk(event.index, 0, event.pcm[::-1], 0.0)
            yield event


def test_chunks_of_other_audio_break_the_protocol() -> None:
    with pytest.raises(EngineError, match="same audio"):
        run_stream(Garbles(), REQUEST, threading.Event())


def test_an_engine_that_cuts_no_chunks_has_them_at_its_packets_times() -> None:
    run = run_stream(FakeEngine(frames=8), REQUEST, threading.Event())
    assert run.timing.ttfa_ms == run.packets[0].pcm_at_ms == run.chunks[0].at_ms
    assert sum(chunk.samples for chunk in run.chunks) == 8 * 1920
    assert {chunk.at_ms for chunk in run.chunks} == {packet.pcm_at_ms for packet in run.packets}
    longer = run_stream(FakeEngine(Config(stream=StreamConfig(chunk_ms=500.0)), frames=8), REQUEST, threading.Event())
    assert longer.timing.ttfa_ms == longer.packets[1].pcm_at_ms


@pytest.mark.parametrize(
    "chunk_ms", [pytest.param(10, marks=pytest.mark.slow), 40.7, pytest.param(5000, marks=pytest.mark.slow)]
)
def test_chunk_length_changes_no_bit_and_every_chunk_has_its_time(chunk_ms: float, builtin: LocalEngine) -> None:
    wanted = run_stream(builtin, REQUEST, threading.Event())
    found = run_stream(make_engine("builtin", f"stream.chunk_ms={chunk_ms}"), REQUEST, threading.Event())
    assert codes_sha256(found.require_codes()) == codes_sha256(wanted.require_codes())
    pcm = found.require_pcm()
    assert pcm_sha256(pcm) == pcm_sha256(wanted.require_pcm())
    assert len(found.chunks) == -(-len(pcm) // chunk_samples(chunk_ms, 24_000))
    times = [chunk.at_ms for chunk in found.chunks]
    assert found.timing.ttfa_ms == times[0] and times == sorted(times)
    if chunk_ms < 320:
        # It left while the stream went on: before the second packet's codes were there.
        assert times[0] < found.packets[1].codes_at_ms
