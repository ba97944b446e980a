"""Running: what raises, hangs or breaks its promises is an error of its case, and the others run on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.fakes import FakeEngine, codes_of, pcm_of
from tests.regress.regress_fakes import Run, no_threads_left, write_suite
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.errors import InputError
from ttsctl.core.timing import real_time_factor, stream_timing
from ttsctl.regress.run import run_suite
from ttsctl.regress.runner import FailedCase, Runner
from ttsctl.regress.suite import load_suite

THREE = ("a1", "b2", "c3")


def test_runs_of_a_case_and_warm_up(run: Run) -> None:
    engine = FakeEngine()
    run(engine, body="runs = 2")
    kinds = ("stream", "offline", "stream", "stream")
    assert engine.calls == [(kind, text) for text in ("long_01", "short_01") for kind in kinds]


def test_warm_up_is_not_counted(tmp_path: Path) -> None:
    path = write_suite(tmp_path, "runs = 1")
    path.write_text(path.read_text().replace("warmup = 0", "warmup = 2"))
    engine = FakeEngine()
    result = run_suite(load_suite(path), Config(), lambda: engine, None, False, tmp_path / "out")
    assert [len(case.runs) for case in result.cases] == [3, 3]
    streams = [text for kind, text in engine.calls if kind == "stream"]
    assert (streams.count("long_01"), streams.count("short_01")) == (4, 2), "only before the engine's first case"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raise", "RuntimeError: the fake engine broke"),
        ("no end", "EngineError: stream: ended after 4 packets without End"),
        ("miscounted", "EngineError: stream: End says 15 frames, the packets held 14"),
        ("exit", "EngineError: the engine asked the process to exit with 0"),
    ],
)
def test_a_broken_case_does_not_stop_the_others(run: Run, fault: str, says: str) -> None:
    result = run(FakeEngine(faults={"b2": fault}), texts=THREE)
    assert [str(case.error) for case in result.cases] == ["None", says, "None"]
    assert result.outcome.status == 3


def test_a_slow_case_stops_between_packets_and_keeps_the_engine(run: Run) -> None:
    engine = FakeEngine(faults={"b2": "slow"})
    result = run(engine, texts=THREE, body="timeout_s = 0.3")
    assert [case.error is None for case in result.cases] == [True, False, True]
    assert str(result.cases[1].error).startswith("CaseTimeout: timeout: not finished after 0.3 s")
    assert result.notes == []
    assert no_threads_left()


def test_a_stuck_engine_is_left_behind_for_a_fresh_one(tmp_path: Path) -> None:
    release = threading.Event()
    made: list[FakeEngine] = []

    def factory() -> Engine:
        made.append(FakeEngine(faults={"b2": "hang"}, release=release))
        return made[-1]

    suite = load_suite(write_suite(tmp_path, "timeout_s = 0.3", texts=THREE))
    runner = Runner(suite, factory, grace_s=0.1)
    outcomes = list(runner.run_cases())
    release.set()
    assert [isinstance(outcome, FailedCase) for outcome in outcomes] == [False, True, False]
    assert len(made) == 2
    assert "b2__ryan: the engine was still busy" in runner.notes[0]


def test_a_fresh_engine_that_cannot_be_had_fails_the_remaining_cases(tmp_path: Path) -> None:
    release = threading.Event()
    engines = [FakeEngine(faults={"a1": "hang"}, release=release)]

    def factory() -> Engine:
        if not engines:
            raise MemoryError("no room for a second engine")
        return engines.pop()

    suite = load_suite(write_suite(tmp_path, "timeout_s = 0.2", texts=THREE))
    outcomes = list(Runner(suite, factory, grace_s=0.1).run_cases())
    release.set()
    errors = [str(outcome.error) for outcome in outcomes if isinstance(outcome, FailedCase)]
    assert len(errors) == 3
    assert errors[2] == "MemoryError: no room for a second engine"


def test_an_engine_that_cannot_be_loaded_is_not_a_failed_case(tmp_path: Path) -> None:
    def factory() -> Engine:
        raise InputError("checkpoint nowhere: not found")

    suite = load_suite(write_suite(tmp_path))
    with pytest.raises(InputError, match="nowhere"):
        run_suite(suite, Config(), factory, None, False, tmp_path / "out")


def test_an_interrupt_passes_through(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(FakeEngine(faults={"long_01": "interrupt"}))


@pytest.mark.parametrize("fault", ["", "raise", "slow"])
def test_the_engine_is_closed_at_the_end(run: Run, fault: str) -> None:
    engine = FakeEngine(faults={"b2": fault})
    run(engine, texts=THREE, body="timeout_s = 0.3")
    assert engine.closed


def test_the_engine_is_closed_after_an_interrupt(run: Run) -> None:
    engine = FakeEngine(faults={"b2": "interrupt"})
    with pytest.raises(KeyboardInterrupt):
        run(engine, texts=THREE)
    assert engine.closed and no_threads_left()


def test_an_engine_that_cannot_be_closed_spoils_no_result(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def close(engine: FakeEngine) -> None:
        raise OSError("the worker is gone")

    monkeypatch.setattr(FakeEngine, "close", close)
    result = run(FakeEngine())
    assert result.outcome.status == 0
    assert result.notes == ["the engine could not be closed: OSError: the worker is gone"]


def test_timing_of_a_stream() -> None:
    """Four packets, 40 ms of codes and 10 ms of decoding each, the first out at 110 and heard at 120 ms."""
    engine = FakeEngine(frames=16)
    codes = codes_of("x", 16)
    packets = [engine._packet(i, codes[4 * i : 4 * i + 4], pcm_of(codes[4 * i : 4 * i + 4])) for i in range(4)]
    timing = stream_timing(packets, 24_000)
    assert (timing.ttfp_ms, timing.ttf_ms, timing.ttfa_ms) == (110.0, 120.0, 120.0)
    assert (timing.code_ms, timing.decode_ms, timing.decode_first_ms, timing.decode_calls) == (160.0, 40.0, 10.0, 4)
    assert timing.rtf == pytest.approx(0.2 / 1.28)


def test_timing_of_nothing_is_missing() -> None:
    timing = stream_timing([], 24_000)
    assert (timing.ttfp_ms, timing.ttf_ms, timing.ttfa_ms, timing.rtf, timing.decode_ms) == (None,) * 5
    assert real_time_factor(10.0, 0, 24_000) is None


def test_first_audio_is_the_first_packet_that_carries_some() -> None:
    """A decoder that holds its first packet back is heard with the second."""
    engine = FakeEngine()
    codes = codes_of("x", 8)
    packets = [engine._packet(0, codes[:4], pcm_of(codes[:0])), engine._packet(1, codes[4:], pcm_of(codes))]
    timing = stream_timing(packets, 24_000)
    assert (timing.ttfp_ms, timing.ttfa_ms) == (110.0, 170.0)
