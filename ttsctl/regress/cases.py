"""One case through one engine: all the runs that its gates look at."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.run import Run
from ttsctl.runs.cases import Case
from ttsctl.runs.run_stream import run_offline, run_stream


@dataclass(frozen=True)
class CaseOutput:
    """What a case gave: the first streamed run, the offline run, and the streamed runs for determinism."""

    case: Case
    info: EngineInfo
    stream: Run
    offline: Run
    repeats: tuple[Run, ...]
    wall_s: float

    @property
    def streams(self) -> tuple[Run, ...]:
        return (self.stream, *self.repeats)

    @property
    def named(self) -> dict[str, Run]:
        """All runs in the order in which they ran: "stream", "offline", "repeat_1", "repeat_2", ..."""
        repeats = {f"repeat_{number}": run for number, run in enumerate(self.repeats, start=1)}
        return {"stream": self.stream, "offline": self.offline, **repeats}


def drive_case(engine: Engine, case: Case, runs: int, warmup: int, cancelled: threading.Event) -> CaseOutput:
    """``warmup`` streamed runs that are thrown away, one streamed, one offline, ``runs`` more streamed.

    EngineError if the engine breaks its protocol, Cancelled if it is told to stop; whatever the engine raises.
    """
    started = time.perf_counter()
    for _ in range(warmup):
        run_stream(engine, case.request, cancelled)
    stream = run_stream(engine, case.request, cancelled)
    offline = run_offline(engine, case.request)
    repeats = tuple(run_stream(engine, case.request, cancelled) for _ in range(runs))
    return CaseOutput(case, engine.info, stream, offline, repeats, time.perf_counter() - started)
