"""The worker process: it survives, is restarted, stops when told, leaves no orphan, and its errors keep their class."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine_help import close_early, make_engine
from tests.overlap_help import REQUEST, SHORT, bits, gone
from ttsctl.core.errors import EngineError, InputError
from ttsctl.core.request import Request, Voice
from ttsctl.engine.codegen import worker as worker_module
from ttsctl.engine.codegen import worker_main
from ttsctl.engine.codegen.worker import CodegenWorker
from ttsctl.engine.local import LocalEngine

# One frame a packet, so that a stream that is closed early is closed in the middle.
SETS = ("stream.overlap=process", "stream.packet_tokens=1", "determinism.level=strict", SHORT)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = make_engine("builtin", *SETS)
    yield engine
    # Its worker is dead by now, which closing must not mind.
    engine.close()


def worker_of(engine: LocalEngine) -> CodegenWorker:
    assert engine.worker is not None
    return engine.worker


def is_busy(engine: LocalEngine) -> bool:
    """Whether a request's codes are being generated."""
    return worker_of(engine)._busy


def pid_of(engine: LocalEngine) -> int:
    pid = worker_of(engine).pid
    assert pid is not None
    return pid


@pytest.mark.slow
def test_a_closed_stream_leaves_the_worker_idle(engine: LocalEngine) -> None:
    wanted, pid = bits(engine), pid_of(engine)
    for taken in (0, 1, 4):
        stream = engine.stream(REQUEST)
        for _ in range(taken):
            next(stream)
        close_early(stream)
        assert not is_busy(engine)
    assert bits(engine) == wanted and pid_of(engine) == pid


@pytest.mark.slow
def test_strict_is_read_back_from_the_worker(engine: LocalEngine) -> None:
    in_force = engine.info.in_force
    assert in_force["deterministic_algorithms"] is True and in_force["cudnn_allow_tf32"] is False
    assert in_force["decoder_switches"]["deterministic_algorithms"] is False  # type: ignore[index]


@pytest.mark.slow
def test_it_holds_the_only_code_generation(engine: LocalEngine) -> None:
    assert sum(p.numel() for p in engine.decoder.parameters()) > 0
    with pytest.raises(Exception, match="in a worker process"):
        _ = engine.generator
    with pytest.raises(Exception, match="in a worker process"):
        engine.first_logits(REQUEST)


@pytest.mark.slow
def test_errors_cross_with_their_class(engine: LocalEngine) -> None:
    pid = pid_of(engine)
    with pytest.raises(InputError, match="split the text"):
        list(engine.stream(Request("word " * 40_000, REQUEST.voice)))
    with pytest.raises(InputError, match="nobody"):
        engine.offline(Request("Hello.", Voice("nobody", "nobody")))
    assert not is_busy(engine) and pid_of(engine) == pid
    broken: Any = 5
    with pytest.raises(EngineError, match=r"in its worker: [A-Za-z]+Error"):
        engine.offline(Request(broken, REQUEST.voice))
    assert bits(engine) and pid_of(engine) == pid


@pytest.mark.slow
def test_a_death_in_a_request_is_told_and_the_next_one_is_served(engine: LocalEngine) -> None:
    wanted, pid = bits(engine), pid_of(engine)
    stream = engine.stream(REQUEST)
    next(stream)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineError, match=r"died with exit code -9.*next request"):
        list(stream)
    assert bits(engine) == wanted and pid_of(engine) != pid


@pytest.mark.slow
def test_one_that_does_not_stop_is_killed(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "STOP_S", 0.2)
    stream, pid = engine.stream(REQUEST), pid_of(engine)
    next(stream)
    os.kill(pid, signal.SIGSTOP)
    close_early(stream)
    assert gone(pid) and not is_busy(engine)


def test_a_checkpoint_that_cannot_be_loaded_ends_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json"):
        make_engine(str(tmp_path), *SETS)


@pytest.mark.parametrize(
    ("code", "loaded", "open_", "said"),
    [
        (-9, True, True, "exit code -9; the next request starts another"),
        (-9, False, True, "exit code -9 before it was loaded; something killed it"),
        (1, False, True, "exit code 1 before it was loaded; a program that starts it must be importable"),
        (0, True, False, "the engine was closed while this stream was open"),
    ],
)
def test_a_death_tells_what_is_known_of_it(code: int, loaded: bool, open_: bool, said: str) -> None:
    dead: Any = object.__new__(CodegenWorker)
    dead._process = SimpleNamespace(exitcode=code, join=lambda timeout: None)
    dead._finalizer = SimpleNamespace(alive=open_)
    dead._in_force = {} if loaded else None
    assert said in str(dead._died())


@pytest.mark.parametrize(("said", "ends"), [("CUDA error: device-side assert triggered", True), ("else", False)])
def test_a_process_that_cuda_will_not_serve_again_ends(said: str, ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request then starts another; after any other error the same one goes on."""

    def packets(*_: Any) -> Any:
        raise RuntimeError(said)

    config = SimpleNamespace(record=SimpleNamespace(trace="none"))
    stage = SimpleNamespace(config=config, generator=SimpleNamespace(talker=None), packets=packets)
    stage.in_force = contextlib.nullcontext()
    monkeypatch.setattr(worker_main, "_load", lambda *_: stage)
    monkeypatch.setattr(worker_main, "ignore_interrupts", lambda: None)
    ours, theirs = multiprocessing.Pipe()
    for _ in range(2):
        ours.send(worker_main.GenerationJob(REQUEST, 0, 1))
    thread = threading.Thread(target=worker_main.serve, args=(theirs, None, None))
    thread.start()
    thread.join(10 if ends else 1)
    assert thread.is_alive() is not ends
    assert isinstance(ours.recv(), worker_main.JobFailed) and ours.poll() is not ends
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


PARENT = """
import sys
import time

sys.path.insert(0, {tests!r})
from tests.engine_help import make_engine
from tests.overlap_help import REQUEST, SHORT

if __name__ == "__main__":
    engine = make_engine("builtin", SHORT, "stream.overlap=process")
    stream = engine.stream(REQUEST)
    next(stream)
    try:
        print(engine.worker.pid, flush=True)
        time.sleep(100)
    except KeyboardInterrupt:
        print(sum(1 for _ in stream), flush=True)
    time.sleep(100)
"""


@pytest.mark.slow
def test_ctrl_c_is_the_parents_and_the_worker_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(tests=str(Path(__file__).parents[2])))
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    parent = subprocess.Popen([sys.executable, str(script)], **pipes)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    # As a terminal does: to the whole group. The stream goes on to its end, and then the parent dies.
    os.killpg(parent.pid, signal.SIGINT)
    assert int(parent.stdout.readline()) > 1
    parent.kill()
    _, said = parent.communicate(timeout=60)
    assert gone(pid) and said == ""
