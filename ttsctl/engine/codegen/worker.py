"""The code generation worker, as the main process sees it: started, restarted, asked for codes, and ended."""

from __future__ import annotations

import multiprocessing
import pickle
import time
import weakref
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from ttsctl.core.config import Config
from ttsctl.core.errors import EngineError
from ttsctl.core.processes import interrupts_held
from ttsctl.core.request import Request
from ttsctl.engine.clock import Clock
from ttsctl.engine.codegen.sources import CODEGEN_NAME, AheadSource
from ttsctl.engine.codegen.stage import CodeEnd, CodePacket
from ttsctl.engine.codegen.worker_main import Allow, Job, JobFailed, JobStopped, Ready, Stop, serve
from ttsctl.engine.switches import Switches

# A worker that is told to stop looks up at the next frame; released sizes take 3 s for one on a single slow core. One
# that takes longer than this is killed.
STOP_S = 10.0
# An idle worker ends at once. One that loads or generates has nothing that would be lost by killing it.
END_S = 2.0
# What reading a message from a dead or dying process can raise.
BROKEN = (EOFError, OSError, pickle.UnpicklingError)


class CodegenWorker:
    """A resident process that generates codes, one request at a time.

    It lives until ``close``, or until this object or the main process is gone; if it dies, the next request starts
    another. It must be started from a program whose main module can be imported (start method spawn).
    """

    def __init__(self, config: Config, switches: Switches) -> None:
        self._config = config
        self._switches = switches
        self._busy = False
        self._in_force: dict[str, object] | None = None
        self._start()

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        return self._process.pid

    @property
    def busy(self) -> bool:
        """Whether a request's codes are being generated."""
        return self._busy

    def ready(self) -> dict[str, object]:
        """Wait until it is loaded -> its switches as read back there. Raises what loading raised."""
        if self._in_force is None:
            message = self.receive()
            if isinstance(message, JobFailed):
                raise message.error
            if not isinstance(message, Ready):
                raise EngineError(f"code generation worker: expected Ready, got {type(message).__name__}")
            self._in_force = message.in_force
        return self._in_force

    def source(self, request: Request, clock: Clock) -> ProcessSource:
        """Begin a request. EngineError if another one's stream is still open."""
        if self._busy:
            raise EngineError(
                "the code generation worker is busy with another stream", "end or close that stream first"
            )
        if not self._alive():
            self._finalizer()
            self._start()
        self.ready()
        source = ProcessSource(self, request, clock, self._config.stream.prefill_packets)
        self._busy = True
        return source

    def close(self) -> None:
        """End the process; a later request would start another."""
        self._finalizer()

    def send(self, message: object) -> None:
        """A message to the worker. EngineError if it is dead."""
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._died() from error

    def receive(self) -> object:
        """Its next message. EngineError if it dies, saying how."""
        try:
            return self._pipe.recv()
        except BROKEN as error:
            raise self._died() from error

    def stop_job(self) -> None:
        """Have the running job ended and everything it still sent thrown away; kill a worker that does not stop."""
        try:
            self._pipe.send(Stop())
            deadline = time.monotonic() + STOP_S
            while self._pipe.poll(max(0.0, deadline - time.monotonic())):
                if isinstance(self._pipe.recv(), CodeEnd | JobStopped | JobFailed):
                    return
        except BROKEN:
            pass
        self._process.kill()
        self._process.join(STOP_S)

    def idle(self) -> None:
        """Said by the source once its job has ended."""
        self._busy = False

    def _alive(self) -> bool:
        # An idle worker says nothing, so something to read is the end of its pipe.
        loaded = self._in_force is not None
        return self._process.is_alive() and not (loaded and self._pipe.poll())

    def _start(self) -> None:
        if multiprocessing.current_process().daemon:
            raise EngineError(
                "stream.overlap = 'process': this process is a daemon, which may not start others",
                "run the engine in a process of its own, or use overlap 'none' or 'thread'",
            )
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, self._config, self._switches)
        self._process: BaseProcess = context.Process(target=serve, args=arguments, name=CODEGEN_NAME, daemon=True)
        with interrupts_held():
            self._process.start()
        # Only the worker may hold its end, or its death would not be seen here.
        theirs.close()
        self._in_force = None
        self._finalizer = weakref.finalize(self, _end, self._pipe, self._process)

    def _died(self) -> EngineError:
        if not self._finalizer.alive:
            return EngineError("the engine was closed while this stream was open", "close the stream first")
        self._process.join(STOP_S)
        code = self._process.exitcode
        what = f"the code generation worker died with exit code {code}"
        if self._in_force is not None:
            return EngineError(what, "the next request starts another one")
        what += " before it was loaded"
        if code is not None and code < 0:
            return EngineError(what, "something killed it: see the system's log, and whether memory was short")
        return EngineError(
            what, "a program that starts it must be importable: put its work under if __name__ == '__main__'"
        )


def _end(pipe: Connection, process: BaseProcess) -> None:
    """Close the pipe, at which the worker ends by itself, and make sure that it does."""
    pipe.close()
    process.join(END_S)
    if process.is_alive():
        process.kill()
        process.join(STOP_S)


class ProcessSource(AheadSource):
    """One request's codes from the worker."""

    def __init__(self, worker: CodegenWorker, request: Request, clock: Clock, prefill: int) -> None:
        super().__init__(prefill)
        self._worker: CodegenWorker | None = worker
        worker.send(Job(request, clock.started_ns, self.allowed))

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            if not self._ended:
                worker.stop_job()
            worker.idle()

    def _receive(self) -> CodePacket | CodeEnd:
        if self._worker is None:
            raise RuntimeError("the source is closed")
        message = self._worker.receive()
        if isinstance(message, JobFailed):
            self._ended = True
            raise message.error
        if not isinstance(message, CodePacket | CodeEnd):
            raise EngineError(f"code generation worker: expected codes, got {type(message).__name__}")
        return message

    def _allow(self, packets: int) -> None:
        if self._worker is not None:
            self._worker.send(Allow(packets))
