"""One case through one engine: all the runs that its gates look at."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from ttsctl.core.engine import Engine, EngineInfo, Offline
from ttsctl.runs.cases import Case
from ttsctl.runs.run_stream import StreamRun, check_arrays, run_stream


@dataclass(frozen=True)
class CaseOutput:
    """What a case gave: the first streamed run, the offline run, and the streamed runs for determinism."""

    case: Case
    info: EngineInfo
    stream: StreamRun
    offline: Offline
    repeats: tuple[StreamRun, ...]
    wall_s: float

    @property
    def streams(self) -> tuple[StreamRun, ...]:
        return (self.stream, *self.repeats)


def drive_case(engine: Engine, case: Case, runs: int, warmup: int, cancelled: threading.Event) -> CaseOutput:
    """``warmup`` streamed runs that are thrown away, one streamed, one offline, ``runs`` more streamed.

    EngineError if the engine breaks its protocol, Cancelled if it is told to stop; whatever the engine raises.
    """
    started = time.perf_counter()
    for _ in range(warmup):
        run_stream(engine, case.request, cancelled)
    stream = run_stream(engine, case.request, cancelled)
    offline = engine.offline(case.request)
    check_arrays(offline.codes, offline.pcm, engine.info, "offline")
    repeats = tuple(run_stream(engine, case.request, cancelled) for _ in range(runs))
    return CaseOutput(case, engine.info, stream, offline, repeats, time.perf_counter() - started)
