"""The code generation worker, as it runs in its own process. Imported light: torch comes once Ctrl-C is out of the way.

One job at a time over a pipe: Job, then Allow as packets are taken; back come CodePacket and, last, CodeEnd, JobStopped
or JobFailed. The pipe's end is the worker's: it closes when the main process closes it or dies.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from ttsctl.core.config import Config
from ttsctl.core.errors import EngineError, TtsctlError
from ttsctl.core.request import Request

if TYPE_CHECKING:
    from ttsctl.engine.codegen.stage import CodegenStage
    from ttsctl.engine.switches import Switches


@dataclass(frozen=True)
class Job:
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
    """The job is not wanted any more; without one running it means nothing."""


@dataclass(frozen=True)
class JobStopped:
    """The job ended early, as told."""


@dataclass(frozen=True)
class JobFailed:
    """What code generation raised; anything but a TtsctlError as an EngineError that names it."""

    error: TtsctlError


@dataclass(frozen=True)
class Ready:
    """The weights are loaded; ``in_force`` as read back in this process."""

    in_force: dict[str, object]


class PipeLeave:
    """``Leave`` over the pipe. EOFError once the main process is gone."""

    def __init__(self, pipe: Connection, allowed: int) -> None:
        self._pipe = pipe
        self._allowed = allowed

    def wait_for(self, packet: int) -> None:
        while packet >= self._allowed:
            self._hear()

    def check(self) -> None:
        while self._pipe.poll():
            self._hear()

    def _hear(self) -> None:
        from ttsctl.engine.codegen.stage import Stopped

        message = self._pipe.recv()
        if isinstance(message, Stop):
            raise Stopped
        if isinstance(message, Allow):
            self._allowed = message.packets


def serve(pipe: Connection, config: Config, switches: Switches) -> None:
    """The process's work: load code generation, then one job after another until the pipe closes."""
    # Ctrl-C reaches the whole process group; the main process decides what it means and closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        stage = _load(pipe, config, switches)
        while stage is not None:
            message = pipe.recv()
            if isinstance(message, Job) and not _work(pipe, stage, message):
                return
    except (EOFError, OSError):
        # The other end is gone, and with it anyone to tell.
        return


def _load(pipe: Connection, config: Config, switches: Switches) -> CodegenStage | None:
    """The loaded stage, and Ready or JobFailed to the main process."""
    try:
        from ttsctl.engine.loading import load_codegen
        from ttsctl.engine.switches import InForce, describe_switches, restore, set_workspace, snapshot

        set_workspace(config)
        restore(switches)
        stage = load_codegen(config, InForce(switches))
        ready = Ready(describe_switches(snapshot()))
    except Exception as error:  # noqa: BLE001  the main process raises it
        pipe.send(JobFailed(_sendable(error)))
        return None
    pipe.send(ready)
    return stage


def _work(pipe: Connection, stage: CodegenStage, job: Job) -> bool:
    """One job: every packet and the end; if it is stopped or fails, that instead of the end.

    False if the process can do no other: CUDA does not recover from what a kernel did wrong.
    """
    import torch

    from ttsctl.engine.clock import Clock
    from ttsctl.engine.codegen.stage import Stopped
    from ttsctl.engine.recording.recorder import codegen_taps

    try:
        taps = codegen_taps(stage.config.record.trace, stage.generator.talker)
        leave = PipeLeave(pipe, job.allowed)
        with torch.inference_mode(), stage.in_force:
            for item in stage.packets(job.request, Clock(job.started_ns), taps, leave):
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
