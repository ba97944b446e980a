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
from ttsctl.engine.codegen.sources import CODEGEN_NAME, AheadSource
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodePacket
from ttsctl.engine.codegen.worker_main import Allow, GenerationJob, JobFailed, JobStopped, Ready, Stop, serve
from ttsctl.engine.switches import Switches

# A worker that is told to stop checks for it before the next frame. With a released size a frame takes up to 3 s on a
# single slow core. A worker that takes longer than this is killed.
STOP_S = 10.0
# An idle worker ends at once. One that loads or generates is killed after this time; nothing is lost.
END_S = 2.0
# What reading a message from a dead or dying process can raise.
BROKEN = (EOFError, OSError, pickle.UnpicklingError)


class CodegenWorker:
    """A resident process that generates codes, one request at a time.

    It lives until ``close``, or until this object or the main process is gone. If it dies, the next request starts
    another one. The main module of the program must be importable (start method spawn).
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

    def ready(self) -> dict[str, object]:
        """Wait until it is loaded -> its switches as the worker reads them back. Raises what loading raised."""
        if self._in_force is None:
            message = self.receive()
            if isinstance(message, JobFailed):
                raise message.error
            if not isinstance(message, Ready):
                raise EngineError(f"code generation worker: expected Ready, got {type(message).__name__}")
            self._in_force = message.in_force
        return self._in_force

    def source(self, request: Request, clock: Clock) -> ProcessSource:
        """Begin a request. EngineError if the stream of another request is still open."""
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
        """End the process; a later request would start another one."""
        self._finalizer()

    def send(self, message: object) -> None:
        """Send a message to the worker. EngineError if it is dead."""
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._died() from error

    def receive(self) -> object:
        """Wait for the worker's next message. EngineError, with the exit code, if it dies."""
        try:
            return self._pipe.recv()
        except BROKEN as error:
            raise self._died() from error

    def has_sent(self) -> bool:
        """Whether ``receive`` would not wait."""
        try:
            return self._pipe.poll()
        except BROKEN as error:
            raise self._died() from error

    def stop_job(self) -> None:
        """End the running job and drop everything that it still sends; kill a worker that does not stop."""
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
        """Called by the source once its job has ended."""
        self._busy = False

    def _alive(self) -> bool:
        # An idle worker sends nothing: if there is something to read, it is the end of the pipe.
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
        # Only the worker may hold its end of the pipe, or its death would not be noticed here.
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
    """Close the pipe, which ends the worker; kill it if it does not end."""
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
        worker.send(GenerationJob(request, clock.started_ns, self.allowed))

    def has_next(self) -> bool:
        return self._worker is not None and self._worker.has_sent()

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
