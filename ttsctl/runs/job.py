"""One run of a sweep, as it is handed to a worker, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import Request
from ttsctl.core.timing import PacketTiming
from ttsctl.core.trace import Trace
from ttsctl.runs.requirement import Requirement

# stream: codes and audio, packet by packet. offline: all codes, then one decode. codegen: codes alone, nothing is
# decoded. decode: the codes of another condition, packet by packet. decode_offline: those codes in one call.
RunKind = Literal["stream", "offline", "codegen", "decode", "decode_offline"]
SPEAKS: tuple[RunKind, ...] = ("stream", "offline", "codegen")
DECODES: tuple[RunKind, ...] = ("decode", "decode_offline")
Isolation = Literal["state", "process"]
Measure = Literal["pops"]


@dataclass(frozen=True, eq=False)
class Job:
    """One run of one case under one condition; ``repeat`` counts from 1.

    ``codes`` (T, Q) int64 are what a decode run decodes. ``warmup`` streamed runs are thrown away by a fresh engine
    before its first counted one.
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
    """What a run gave, or ``error`` (type and message on one line), or why it was ``skipped``.

    codes (T, Q) int64 are None where the run made none, as when it decodes given ones; pcm (N,) float32 is None where
    nothing was decoded, or where only ``pcm_sha256`` was kept. ``timings`` has the fields of
    core.timing.StreamTiming that the run has, in ms. ``pops`` are samples. ``host`` is a name for people;
    machines are told apart by ``provenance["machine_id"]``. ``pid`` is the process that had the engine; ``spoilt``:
    it is in no state to run others.
    """

    condition: str
    case: str
    repeat: int
    host: str
    pid: int | None = None
    error: str | None = None
    skipped: str | None = None
    spoilt: bool = False
    provenance: Mapping[str, Any] | None = None
    in_force: Mapping[str, Any] | None = None
    codebook_size: int | None = None
    sample_rate: int | None = None
    codes: CodeArray | None = None
    pcm: PcmArray | None = None
    pcm_sha256: str | None = None
    truncated: bool | None = None
    seed: int | None = None
    timings: Mapping[str, float | None] = field(default_factory=dict)
    packets: tuple[PacketTiming, ...] = ()
    pops: tuple[int, ...] | None = None
    trace: Trace | None = None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.condition}/{self.case}/{self.repeat}"

    @property
    def clean(self) -> bool:
        return self.error is None and self.skipped is None


Work = Callable[[Job], JobResult]
