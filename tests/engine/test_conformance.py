"""What every engine promises, whatever its kind: one class of tests over all that are registered, and over the fake.

The tests are methods that take an engine, so that the negative controls can hand them one that lies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from tests.fakes import FakeEngine
from tests.overlap_help import codegen_threads
from ttsctl.core.capabilities import code_generator_of, decoder_of, forensic_of, offline_speaker_of
from ttsctl.core.engine import Capabilities, DecodesCodes, Engine, GeneratesCodes, SpeaksOffline
from ttsctl.core.errors import InputError
from ttsctl.core.forensic import Forensic
from ttsctl.core.request import Chunk, End, Event, Packet, Request, Voice
from ttsctl.runs.engines import ENGINES, load_engine
from ttsctl.runs.resolve_config import resolve_config

# A small, fast engine of each registered kind, on a machine without a GPU: 10 frames in packets of 4.
SMALL = MappingProxyType(
    {"local": ("engine.checkpoint=builtin", "engine.device=cpu", "sampling.max_new_tokens=11")},
)
REQUEST = Request("Call a taxi.", Voice("v", "vivian"), text_id="t")
# Streaming and one-shot decoding differ by rounding alone: at most this share of the peak.
ROUNDING = 5e-4
# Capability, its protocol, and the question that asks for it.
CLAIMS: tuple[tuple[str, type, Callable[[Engine], object]], ...] = (
    ("codes", GeneratesCodes, code_generator_of),
    ("offline", SpeaksOffline, offline_speaker_of),
    ("decoding", DecodesCodes, decoder_of),
    ("traces", Forensic, forensic_of),
)
Maker = Callable[..., Engine]


def registered(kind: str) -> Maker:
    """Makes engines of a kind, as ``engine.kind`` does."""

    def make(*sets: str) -> Engine:
        return load_engine(resolve_config({"engine": {"kind": kind}}, None, [*SMALL[kind], *sets]))

    return make


def fake(*sets: str) -> Engine:
    return FakeEngine(config=resolve_config({}, None, list(sets)))


def two_threads(*sets: str) -> Engine:
    return registered("local")("stream.overlap=thread", *sets)


MAKERS: dict[str, Maker] = {
    **{kind: registered(kind) for kind in ENGINES},
    "local with two threads": two_threads,
    "fake": fake,
}


def run(events: Iterator[Event]) -> tuple[list[Packet], End]:
    """A stream's packets and its end, without its chunks, and nothing else."""
    *before, end = (event for event in events if not isinstance(event, Chunk))
    assert isinstance(end, End), "the last event is an End"
    packets = [event for event in before if isinstance(event, Packet)]
    assert len(packets) == len(before), "there is one End"
    return packets, end


def codes_in(packets: list[Packet]) -> np.ndarray:
    return np.concatenate([packet.codes for packet in packets])


def pcm_in(packets: list[Packet]) -> np.ndarray:
    return np.concatenate([packet.pcm for packet in packets])


def assert_close(pcm: np.ndarray, wanted: np.ndarray) -> None:
    assert pcm.dtype == wanted.dtype == np.float32 and pcm.shape == wanted.shape
    assert np.abs(pcm - wanted).max() <= ROUNDING * np.abs(wanted).max()


@pytest.fixture(scope="module", params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def engine(make: Maker) -> Iterator[Engine]:
    loaded = make()
    yield loaded
    loaded.close()


class TestEngineConformance:
    def test_a_stream_is_packets_and_one_end(self, engine: Engine) -> None:
        packets, end = run(engine.stream(REQUEST))
        assert [packet.index for packet in packets] == list(range(len(packets)))
        assert end.frames == sum(len(packet.codes) for packet in packets) > 0
        assert isinstance(end.truncated, bool) and end.trace is None
        sizes = [len(packet.codes) for packet in packets if len(packet.codes)]
        assert (
            set(sizes[:-1]) <= {engine.config.stream.packet_tokens} and sizes[-1] <= engine.config.stream.packet_tokens
        )

    def test_arrays_are_of_the_sizes_that_info_gives(self, engine: Engine) -> None:
        info = engine.info
        packets, end = run(engine.stream(REQUEST))
        codes, pcm = codes_in(packets), pcm_in(packets)
        assert codes.dtype == np.int64 and codes.shape == (end.frames, info.num_codebooks)
        assert codes.min() >= 0 and codes.max() < info.codebook_size
        assert pcm.dtype == np.float32 and pcm.shape == (end.frames * info.frame_samples,)
        assert np.isfinite(pcm).all() and np.abs(pcm).max() <= 1 and pcm.any()

    def test_times_count_from_the_request(self, engine: Engine) -> None:
        packets, _ = run(engine.stream(REQUEST))
        for before, after in itertools.pairwise(packets):
            assert 0 <= before.codes_at_ms <= after.codes_at_ms
        for packet in packets:
            assert packet.code_ms >= 0 and packet.queue_wait_ms >= 0
            assert (packet.decode_ms is None) == (packet.pcm_at_ms is None)
            assert packet.pcm_at_ms is None or packet.pcm_at_ms >= packet.codes_at_ms

    def test_the_same_request_gives_the_same_codes(self, engine: Engine) -> None:
        first, second = (codes_in(run(engine.stream(REQUEST))[0]) for _ in range(2))
        assert np.array_equal(first, second)
        other = codes_in(run(engine.stream(replace(REQUEST, text="Seven boats in the harbour.")))[0])
        assert not np.array_equal(first, other)

    def test_a_seed_decides_what_is_drawn(self, make: Maker) -> None:
        """Where seeds are claimed; the end names the seed, and another seed gives other codes."""
        engine, other = (make("sampling.policy=seeded", f"sampling.seed={seed}") for seed in (7, 8))
        try:
            if not engine.capabilities.seeds:
                pytest.skip("this engine does not claim seeds")
            (first, end), (again, _), (others, _) = (run(e.stream(REQUEST)) for e in (engine, engine, other))
            assert end.seed == 7
            assert np.array_equal(codes_in(first), codes_in(again))
            assert not np.array_equal(codes_in(first), codes_in(others))
        finally:
            engine.close()
            other.close()

    def test_a_stream_that_is_closed_early_ends(self, engine: Engine) -> None:
        """Nothing more comes, no thread stays, and the engine serves the next request as ever."""
        wanted = codes_in(run(engine.stream(REQUEST))[0])
        stream: Any = engine.stream(REQUEST)
        assert isinstance(next(stream), Chunk | Packet)
        stream.close()
        assert next(stream, None) is None and not codegen_threads()
        assert np.array_equal(codes_in(run(engine.stream(REQUEST))[0]), wanted)

    def test_closing_twice_is_harmless(self, make: Maker) -> None:
        engine = make()
        run(engine.stream(REQUEST))
        engine.close()
        engine.close()

    @pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0])
    def test_what_is_claimed_is_there_and_what_is_denied_is_refused(
        self, engine: Engine, claim: tuple[str, type, Callable[[Engine], object]]
    ) -> None:
        name, protocol, ask = claim
        if getattr(engine.capabilities, name):
            assert isinstance(engine, protocol) and ask(engine) is engine
            return
        with pytest.raises(InputError, match=f"engine.kind = '{engine.config.engine.kind}'") as refused:
            ask(engine)
        assert len(str(refused.value).splitlines()) == 1

    def test_concurrency_is_a_number_of_requests(self, engine: Engine) -> None:
        assert engine.capabilities.concurrency >= 1

    def test_generated_codes_are_those_of_the_stream(self, engine: Engine) -> None:
        if not engine.capabilities.codes:
            pytest.skip("this engine does not claim codes")
        packets, end = run(code_generator_of(engine).generate(REQUEST))
        assert np.array_equal(codes_in(packets), codes_in(run(engine.stream(REQUEST))[0]))
        assert end.frames == len(codes_in(packets))
        for packet in packets:
            assert len(packet.pcm) == 0 and packet.decode_ms is None and packet.pcm_at_ms is None

    def test_an_offline_run_has_the_codes_of_the_stream(self, engine: Engine) -> None:
        if not engine.capabilities.offline:
            pytest.skip("this engine does not claim offline")
        packets, end = run(engine.stream(REQUEST))
        offline = offline_speaker_of(engine).offline(REQUEST)
        assert offline.kind == "offline" and offline.truncated == end.truncated and offline.packets == ()
        assert np.array_equal(offline.require_codes(), codes_in(packets))
        assert_close(offline.require_pcm(), pcm_in(packets))

    def test_decoded_codes_are_the_audio_of_the_stream(self, engine: Engine) -> None:
        if not engine.capabilities.decoding:
            pytest.skip("this engine does not claim decoding")
        packets, end = run(engine.stream(REQUEST))
        codes, decoder = codes_in(packets), decoder_of(engine)
        decoded = decoder.decode(codes, engine.config)
        assert decoded.kind == "decode" and decoded.codes is None and decoded.truncated is None
        assert sum(packet.frames for packet in decoded.packets) == end.frames
        assert sum(packet.samples for packet in decoded.packets) == len(decoded.require_pcm())
        assert np.array_equal(decoded.require_pcm(), pcm_in(packets))
        assert_close(decoder.decode_offline(codes), pcm_in(packets))

    def test_a_recorded_run_is_the_stream_with_its_trace(self, engine: Engine) -> None:
        if not engine.capabilities.traces:
            pytest.skip("this engine does not claim traces")
        packets, _ = run(engine.stream(REQUEST))
        for level in ("codes", "modules"):
            recorded = forensic_of(engine).record(REQUEST, level)
            codes, trace = recorded.require_codes(), recorded.trace
            assert recorded.kind == "stream" and trace is not None and trace.level == level
            assert np.array_equal(codes, codes_in(packets)) and np.array_equal(recorded.require_pcm(), pcm_in(packets))
            assert np.array_equal(trace.draws.id[: codes.size].reshape(codes.shape), codes)
            assert bool(len(trace.codegen.value)) == bool(len(trace.decode.value)) == (level == "modules")

    def test_forced_codes_are_drawn_as_the_engine_would(self, engine: Engine) -> None:
        if not engine.capabilities.traces:
            pytest.skip("this engine does not claim traces")
        forensic = forensic_of(engine)
        recorded = forensic.record(REQUEST, "codes")
        codes = recorded.require_codes()
        assert np.array_equal(forensic.force(REQUEST, codes).id[: codes.size].reshape(codes.shape), codes)


def test_every_registered_engine_is_tested() -> None:
    assert set(SMALL) == set(ENGINES)


class Claims(FakeEngine):
    """Claims traces, and cannot record."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, traces=True)


class Denies(FakeEngine):
    """Can decode and generate, and says that it cannot."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(codes=False, decoding=False, offline=False, traces=False, seeds=False, concurrency=0)


class EndsTwice(FakeEngine):
    def stream(self, request: Request) -> Iterator[Packet | End]:
        for event in super().stream(request):
            yield event
            if isinstance(event, End):
                yield event


class Narrow(FakeEngine):
    """Codes in 32 bits."""

    def stream(self, request: Request) -> Iterator[Packet | End]:
        for event in super().stream(request):
            yield replace(event, codes=event.codes.astype(np.int32)) if isinstance(event, Packet) else event


class Unclosed:
    """An iterator that goes on after it is closed."""

    def __init__(self, events: Iterator[Packet | End]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[Packet | End]:
        return self

    def __next__(self) -> Packet | End:
        return next(self._events)

    def close(self) -> None:
        pass


class GoesOn(FakeEngine):
    def stream(self, request: Request) -> Iterator[Packet | End]:
        return Unclosed(super().stream(request))


class ClosesOnce(FakeEngine):
    def close(self) -> None:
        assert not self.closed, "closed already"
        super().close()


class DropsTheSeed(FakeEngine):
    """Claims seeds, and draws the same whatever the seed."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, seeds=True)

    def stream(self, request: Request) -> Iterator[Packet | End]:
        for event in super().stream(request):
            yield replace(event, seed=self.config.sampling.seed) if isinstance(event, End) else event


class DecodesOther(FakeEngine):
    """Decodes other codes than it is given."""

    def decode(self, codes: Any, config: Any, reference: Any = None) -> Any:
        return super().decode(np.roll(codes, 1), config, reference)


class SpeaksWhileGenerating(FakeEngine):
    def generate(self, request: Request) -> Iterator[Packet | End]:
        return self.stream(request)


TESTS = TestEngineConformance
LIES: list[tuple[Engine, Callable[..., None]]] = [
    (FakeEngine(faults={"t": "no end"}), TESTS.test_a_stream_is_packets_and_one_end),
    (FakeEngine(faults={"t": "miscounted"}), TESTS.test_a_stream_is_packets_and_one_end),
    (EndsTwice(), TESTS.test_a_stream_is_packets_and_one_end),
    (FakeEngine(faults={"t": "out of range"}), TESTS.test_arrays_are_of_the_sizes_that_info_gives),
    (FakeEngine(faults={"t": "nan"}), TESTS.test_arrays_are_of_the_sizes_that_info_gives),
    (FakeEngine(faults={"t": "no audio"}), TESTS.test_arrays_are_of_the_sizes_that_info_gives),
    (Narrow(), TESTS.test_arrays_are_of_the_sizes_that_info_gives),
    (FakeEngine(ttfa_ms=-200.0), TESTS.test_times_count_from_the_request),
    (FakeEngine(faults={"t": "drift"}, calls=[("stream", "t")]), TESTS.test_the_same_request_gives_the_same_codes),
    (GoesOn(), TESTS.test_a_stream_that_is_closed_early_ends),
    (Denies(), TESTS.test_concurrency_is_a_number_of_requests),
    (SpeaksWhileGenerating(), TESTS.test_generated_codes_are_those_of_the_stream),
    (FakeEngine(faults={"t": "offline codes"}), TESTS.test_an_offline_run_has_the_codes_of_the_stream),
    (FakeEngine(faults={"t": "quiet stream"}), TESTS.test_an_offline_run_has_the_codes_of_the_stream),
    (DecodesOther(), TESTS.test_decoded_codes_are_the_audio_of_the_stream),
]


@pytest.mark.parametrize(("engine", "check"), LIES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_engine_that_lies_is_found_out(engine: Engine, check: Callable[..., None]) -> None:
    with pytest.raises(AssertionError):
        check(TestEngineConformance(), engine)


def test_an_empty_claim_is_found_out() -> None:
    with pytest.raises(AssertionError):
        TestEngineConformance().test_what_is_claimed_is_there_and_what_is_denied_is_refused(Claims(), CLAIMS[-1])


@pytest.mark.parametrize("claim", CLAIMS[:-1], ids=lambda claim: claim[0])
def test_what_is_there_but_denied_is_refused(claim: tuple[str, type, Callable[[Engine], object]]) -> None:
    assert isinstance(Denies(), claim[1])
    TestEngineConformance().test_what_is_claimed_is_there_and_what_is_denied_is_refused(Denies(), claim)


def test_an_engine_that_closes_once_or_drops_its_seed_is_found_out() -> None:
    with pytest.raises(AssertionError, match="closed already"):
        TestEngineConformance().test_closing_twice_is_harmless(ClosesOnce)

    def make(*sets: str) -> Engine:
        return DropsTheSeed(config=resolve_config({}, None, list(sets)))

    with pytest.raises(AssertionError):
        TestEngineConformance().test_a_seed_decides_what_is_drawn(make)
