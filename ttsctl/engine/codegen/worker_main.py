"""The code generation worker, as it runs in its own process. torch is imported only once Ctrl-C is ignored.

One job at a time over a pipe: the main process sends GenerationJob, then Allow as it takes packets; the worker sends
CodePackets and then CodeEnd, JobStopped or JobFailed. The worker ends when the main process closes the pipe or dies.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from ttsctl.core.config import Config
from ttsctl.core.errors import EngineError, TtsctlError
from ttsctl.core.processes import ignore_interrupts
from ttsctl.core.request import Request

if TYPE_CHECKING:
    from ttsctl.engine.codegen.stage import CodegenStage
    from ttsctl.engine.switches import Switches


@dataclass(frozen=True)
class GenerationJob:
    """A request, and when it began (``Clock.started_ns``)."""

    request: Request
    started_ns: int
    allowed: int


@dataclass(frozen=True)
class Allow:
    """All packets below this number may be begun."""

    packets: int


@dataclass(frozen=True)
class Stop:
    """End the running job; ignored if there is none."""


@dataclass(frozen=True)
class JobStopped:
    """The job ended because of a Stop."""


@dataclass(frozen=True)
class JobFailed:
    """What code generation raised: a TtsctlError as it is, anything else as an EngineError that names it."""

    error: TtsctlError


@dataclass(frozen=True)
class Ready:
    """The weights are loaded; ``in_force`` holds the switches as this process reads them back."""

    in_force: dict[str, object]


class PipePermit:
    """The permit of the worker, which comes over the pipe. EOFError once the main process is gone."""

    def __init__(self, pipe: Connection, allowed: int) -> None:
        self._pipe = pipe
        self._allowed = allowed

    def wait_for(self, packet: int) -> None:
        while packet >= self._allowed:
            self._receive()

    def check(self) -> None:
        while self._pipe.poll():
            self._receive()

    def _receive(self) -> None:
        from ttsctl.engine.codegen.stage import Stopped

        message = self._pipe.recv()
        if isinstance(message, Stop):
            raise Stopped
        if isinstance(message, Allow):
            self._allowed = message.packets


def serve(pipe: Connection, config: Config, switches: Switches) -> None:
    """The process's work: load code generation, then do one job after another until the pipe closes."""
    # They reach the whole process group; the main process handles them and closes the pipe.
    ignore_interrupts()
    try:
        stage = _load(pipe, config, switches)
        while stage is not None:
            message = pipe.recv()
            if isinstance(message, GenerationJob) and not _work(pipe, stage, message):
                return
    except (EOFError, OSError):
        # The main process is gone, so there is no one to tell.
        return


def _load(pipe: Connection, config: Config, switches: Switches) -> CodegenStage | None:
    """Load code generation and send Ready; send JobFailed and return None if that raises."""
    try:
        from ttsctl.engine.loading import load_codegen
        from ttsctl.engine.switches import InForce, restore, set_workspace

        set_workspace(config)
        restore(switches)
        stage = load_codegen(config, InForce(switches))
        ready = Ready(stage.describe())
    except Exception as error:  # noqa: BLE001  the main process raises it
        pipe.send(JobFailed(_sendable(error)))
        return None
    pipe.send(ready)
    return stage


def _work(pipe: Connection, stage: CodegenStage, job: GenerationJob) -> bool:
    """Do one job: send every packet, then the end, or that it was stopped or failed.

    False if the process cannot do another job: CUDA does not recover from a kernel's error.
    """
    import torch

    from ttsctl.engine.codegen.stage import Clock, Stopped
    from ttsctl.engine.recording.recorder import Recorder

    try:
        probes = Recorder(stage.config.record.trace).codegen(stage.generator.talker)
        permit = PipePermit(pipe, job.allowed)
        with torch.inference_mode(), stage.in_force:
            for item in stage.packets(job.request, Clock(job.started_ns), probes, permit):
                pipe.send(item)
    except Stopped:
        pipe.send(JobStopped())
    except (EOFError, OSError):
        raise
    except Exception as error:  # noqa: BLE001  the main process raises it
        pipe.send(JobFailed(_sendable(error)))
        return "CUDA error" not in str(error)
    return True


def _sendable(error: Exception) -> TtsctlError:
    if isinstance(error, TtsctlError):
        return error
    return EngineError(f"code generation failed in its worker: {type(error).__name__}: {error}")
