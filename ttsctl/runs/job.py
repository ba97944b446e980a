"""One run of a sweep, as it is handed to a worker, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request
from ttsctl.core.run import Run, RunKind
from ttsctl.core.trace import Trace
from ttsctl.runs.requirement import Requirement

Isolation = Literal["state", "process"]
Measure = Literal["pops"]


@dataclass(frozen=True, eq=False)
class Job:
    """One run of one case under one condition; ``repeat`` counts from 1.

    ``codes`` (T, Q) int64: what a decode run decodes. ``warmup``: how often a fresh engine does the job before the run
    that counts.
    """

    condition: str
    case: str
    repeat: int
    config: Config
    request: Request
    run: RunKind = "stream"
    codes: CodeArray | None = None
    requires: tuple[Requirement, ...] = ()
    isolation: Isolation = "state"
    warmup: int = 1
    timeout_s: float = 600.0
    measure: tuple[Measure, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.condition}/{self.case}/{self.repeat}"


@dataclass(frozen=True, eq=False)
class JobResult:
    """What a job gave: its ``run``, or an ``error`` (type and message on one line), or why it was ``skipped``.

    ``pcm_sha256``: of the run's audio, also if the audio itself was not kept. ``pops``: their samples. ``host``: a name
    for people; ``info.provenance.machine_id`` identifies the machine. ``info``: of the engine. ``pid``: of its process.
    ``spoilt``: that process cannot do other jobs any more. ``samples``: of the audio, as ``pcm_sha256``.
    """

    condition: str
    case: str
    repeat: int
    host: str
    pid: int | None = None
    error: str | None = None
    skipped: str | None = None
    spoilt: bool = False
    info: EngineInfo | None = None
    run: Run | None = None
    pcm_sha256: str | None = None
    pops: tuple[int, ...] | None = None
    samples: int | None = None

    @property
    def id(self) -> str:
        return f"{self.condition}/{self.case}/{self.repeat}"

    @property
    def clean(self) -> bool:
        """Whether there is a run."""
        return self.error is None and self.skipped is None

    @property
    def codes(self) -> CodeArray | None:
        """The run's codes (T, Q) int64; None where it made none, or where there was no run."""
        return None if self.run is None else self.run.codes

    @property
    def pcm(self) -> PcmArray | None:
        """The run's audio (N,) float32; None where nothing was decoded or kept, or where there was no run."""
        return None if self.run is None else self.run.pcm

    @property
    def provenance(self) -> Provenance | None:
        """Where the run was made; None where no engine was loaded."""
        return None if self.info is None else self.info.provenance

    @property
    def trace(self) -> Trace | None:
        """The run's trace; None where none was asked for, or where there was no run."""
        return None if self.run is None else self.run.trace


Work = Callable[[Job], JobResult]
