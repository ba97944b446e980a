"""Neither overlap nor packet size, prefill, decode_every or chunk length changes a bit of codes or incremental PCM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine_help import ORACLE, close_early, make_engine, packets_and_end
from tests.near_tie import write_near_tie
from tests.overlap_help import OTHER, REQUEST, SHORT, bits, codegen_threads, gone, speak
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import CannotJudge, EngineError
from ttsctl.core.request import Event, Packet, Request, TextMode, Voice
from ttsctl.core.run import Run
from ttsctl.core.trace import Prints
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes

SEEDED = ("sampling.policy=seeded", "sampling.seed=7")


def stream_sets(overlap: str, packet: int, prefill: int, every: int, chunk: float = 30.0) -> tuple[str, ...]:
    return (
        f"stream.overlap={overlap}",
        f"stream.packet_tokens={packet}",
        f"stream.prefill_packets={prefill}",
        f"stream.decode_every={every}",
        f"stream.chunk_ms={chunk}",
    )


# Every pair of values of (packet_tokens, prefill, decode_every) stands in one of these, chunk lengths beside them.
COVERING = [
    (1, 0, 1, 30.0),
    (1, 1, 2, 40.0),
    (1, 0, 3, 7.5),
    (3, 1, 1, 40.0),
    (3, 0, 2, 30.0),
    (3, 1, 3, 30.0),
    (4, 0, 1, 7.5),
    (4, 1, 2, 30.0),
    (4, 1, 3, 40.0),
    (4, 2, 1, 30.0),
]


@pytest.fixture(scope="module")
def greedy_bits() -> tuple[str, str]:
    return bits(make_engine("builtin", SHORT))


@pytest.fixture(scope="module")
def seeded_bits() -> tuple[str, str]:
    return bits(make_engine("builtin", SHORT, *SEEDED))


@pytest.fixture(scope="module", params=[(1, 1, 2, 40.0, True), (3, 0, 3, 7.5, False)], ids=str)
def process_engine(request: pytest.FixtureRequest) -> Iterator[tuple[LocalEngine, bool]]:
    """Engines whose codes come from a worker, and whether they draw by seed."""
    *form, seeded = request.param
    engine = make_engine("builtin", SHORT, *stream_sets("process", *form), *(SEEDED if seeded else ()))
    yield engine, seeded
    assert engine.worker is not None and engine.worker.pid is not None
    engine.close()
    engine.close()
    assert gone(engine.worker.pid)


@pytest.mark.parametrize(
    "form", [*COVERING[:3], *(pytest.param(form, marks=pytest.mark.slow) for form in COVERING[3:])], ids=str
)
def test_a_thread_changes_no_bit(form: Any, greedy_bits: tuple[str, str]) -> None:
    assert bits(make_engine("builtin", SHORT, *stream_sets("thread", *form))) == greedy_bits
    assert not codegen_threads()


@pytest.mark.slow
@pytest.mark.parametrize("form", [(1, 0, 2, 40.0), (3, 1, 3, 30.0), (4, 0, 3, 7.5)], ids=str)
def test_without_overlap_no_bit_changes(form: Any, greedy_bits: tuple[str, str]) -> None:
    assert bits(make_engine("builtin", SHORT, *stream_sets("none", *form))) == greedy_bits


def test_seeded_draws_in_a_thread(seeded_bits: tuple[str, str]) -> None:
    assert bits(make_engine("builtin", SHORT, *stream_sets("thread", 3, 0, 2), *SEEDED)) == seeded_bits


@pytest.mark.slow
def test_a_process_changes_no_bit(
    process_engine: tuple[LocalEngine, bool], greedy_bits: tuple[str, str], seeded_bits: tuple[str, str]
) -> None:
    engine, seeded = process_engine
    wanted = seeded_bits if seeded else greedy_bits
    assert bits(engine) == wanted
    # The worker survives: another request, then the first again, then offline.
    assert bits(engine, OTHER)[0] != wanted[0]
    assert codes_sha256(engine.offline(REQUEST).require_codes()) == wanted[0]


@pytest.mark.slow
def test_controls_that_must_differ(greedy_bits: tuple[str, str], seeded_bits: tuple[str, str]) -> None:
    other = bits(make_engine("builtin", SHORT, "stream.overlap=thread", *SEEDED[:1], "sampling.seed=8"))
    assert len({other[0], seeded_bits[0], greedy_bits[0]}) == 3
    windowed = make_engine("builtin", SHORT, "decoder.mode=windowed", "stream.left_context=1", "stream.overlap=thread")
    codes, pcm = bits(windowed)
    assert codes == greedy_bits[0] and pcm != greedy_bits[1]


@pytest.mark.parametrize("overlap", ["none", "thread"])
def test_decode_every_gives_each_packet_and_all_audio_to_the_last(overlap: str) -> None:
    engine = make_engine("builtin", SHORT, *stream_sets(overlap, 3, 0, 3))
    packets, end = packets_and_end(engine.stream(REQUEST))
    assert end.frames == 10
    assert [len(p.codes) for p in packets] == [3, 3, 3, 1, 0]
    assert [len(p.pcm) // 1920 for p in packets] == [0, 0, 9, 0, 1]
    assert [p.decode_ms is None for p in packets] == [True, True, False, True, False]
    assert [p.pcm_at_ms is None for p in packets] == [True, True, False, True, False]
    assert [p.index for p in packets] == list(range(5))


def test_times_of_a_thread() -> None:
    run = speak(make_engine("builtin", SHORT, "stream.overlap=thread"))
    for packet in run.packets:
        assert packet.queue_wait_ms >= 0 and packet.code_ms > 0
        assert packet.pcm_at_ms is not None and packet.decode_ms is not None
        taken = packet.codes_at_ms + packet.queue_wait_ms
        assert taken + packet.decode_ms <= packet.pcm_at_ms + 1e-6
    assert run.packets[0].code_ms == run.packets[0].codes_at_ms


@pytest.mark.slow
def test_streams_in_threads_do_not_touch_each_other() -> None:
    engine = make_engine("builtin", SHORT, "stream.overlap=thread")
    alone = [speak(engine, request).require_codes() for request in (REQUEST, OTHER)]
    one, other = engine.stream(REQUEST), engine.stream(OTHER)
    first = [next(one), next(other), next(one)]
    rest = [*other]
    assert np.array_equal(_codes([first[1], *rest]), alone[1])
    assert np.array_equal(_codes([first[0], first[2], *one]), alone[0])


def _codes(events: list[Event]) -> np.ndarray:
    return np.concatenate([event.codes for event in events if isinstance(event, Packet)])


@pytest.mark.slow
def test_another_stream_while_the_worker_is_busy(process_engine: tuple[LocalEngine, bool]) -> None:
    engine, _ = process_engine
    stream = engine.stream(REQUEST)
    next(stream)
    with pytest.raises(EngineError, match="busy with another stream"):
        engine.offline(OTHER)
    close_early(stream)
    assert len(engine.offline(OTHER).require_codes())


@pytest.mark.slow
def test_own_taps_cannot_look_into_a_worker(process_engine: tuple[LocalEngine, bool]) -> None:
    with pytest.raises(CannotJudge, match="overlap 'none' or 'thread'"):
        process_engine[0].stream_with(REQUEST, CodegenProbes(), DecodeProbes(), "none")


def oracle_case(name: str) -> dict[str, Any]:
    """A reference case of the public package on the checkpoint ``equal_width``."""
    cases = json.loads((ORACLE / "equal_width" / "expected" / "expected.json").read_text())["cases"]
    return next(case for case in cases if case["id"] == name)


@pytest.mark.slow
# One whose text is whole in the prompt among the greedy ones, and one that draws by seed.
@pytest.mark.parametrize(
    ("overlap", "names"),
    [("thread", ["case01", "case03"]), ("thread", ["case04"]), ("process", ["case01", "case03", "case05"])],
)
def test_reference_cases_of_the_public_package(overlap: str, names: list[str]) -> None:
    cases = [oracle_case(name) for name in names]
    seed = cases[0].get("seed")
    drawing = (
        ("sampling.policy=greedy",)
        if seed is None
        else (
            "sampling.policy=seeded",
            "sampling.noise=package",
            f"sampling.seed={seed}",
        )
    )
    sets = (*drawing, f"sampling.max_new_tokens={cases[0]['max_new_tokens']}", *stream_sets(overlap, 4, 1, 1))
    engine = make_engine("equal_width", *sets)
    for case in cases:
        voice = Voice("v", case["speaker"], case["language"], case.get("instruct"))
        mode: TextMode = "whole" if case.get("non_streaming_mode") else "streaming"
        run = speak(engine, Request(case["text"], voice, text_mode=mode))
        wanted = np.load(ORACLE / "equal_width" / "expected" / f"{case['id']}_codes.npy")
        assert np.array_equal(run.require_codes(), wanted)
        assert len(run.require_pcm()) == case["samples"]
        assert run.truncated is not case["stopped_by_eos"]
    pid = None if engine.worker is None else engine.worker.pid
    # Dropped and not closed, which must end a worker as well.
    del engine
    assert pid is None or gone(pid)


@pytest.mark.slow
def test_a_trace_is_the_same_from_every_form(tmp_path: Path) -> None:
    """What was computed is the same, not only what came out, on a checkpoint where last bits tell."""
    folder = str(write_near_tie(tmp_path / "near_tie"))
    sets = ("record.trace=stages", "sampling.max_new_tokens=5")
    wanted = speak(make_engine(folder, *sets, "backend.kernels=triton"))
    control = speak(make_engine(folder, *sets))
    assert not _same_trace(control, wanted) and not np.array_equal(control.require_codes(), wanted.require_codes())
    for form in (stream_sets("thread", 1, 1, 2), stream_sets("process", 3, 0, 2)):
        engine = make_engine(folder, *sets, *form, "backend.kernels=triton")
        found = speak(engine)
        engine.close()
        assert _same_trace(found, wanted), form
        assert np.array_equal(found.require_pcm(), wanted.require_pcm()), form


def _same_trace(a: Run, b: Run) -> bool:
    """Draws and code generation's prints in their order; the decoder's by frame, for packets order them."""
    assert a.trace is not None and b.trace is not None and len(b.trace.draws.id) > 60 and len(b.trace.decode.value) > 30
    parts = (("draws", "id"), ("draws", "logits"), ("codegen", "value"), ("codegen", "frame"))
    ordered = all(
        np.array_equal(getattr(getattr(a.trace, part), name), getattr(getattr(b.trace, part), name))
        for part, name in parts
    )
    return ordered and _keyed(a.trace.decode) == _keyed(b.trace.decode)


def _keyed(prints: Prints) -> dict[tuple[str, int], int]:
    names = [prints.points[number] for number in prints.point]
    return dict(zip(zip(names, prints.frame.tolist(), strict=True), prints.value.tolist(), strict=True))
