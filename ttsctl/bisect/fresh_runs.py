"""Runs in fresh state, one configuration after another: engines in this process, or an interpreter for each run."""

from __future__ import annotations

import threading
from typing import Protocol

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.errors import EngineError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.runs.engines import engine_errors, load_engine
from ttsctl.runs.job import Isolation, Job
from ttsctl.runs.run_job import run_job
from ttsctl.runs.run_stream import run_stream


class FreshRuns(Protocol):
    """``run`` is what ``bisect`` takes."""

    def run(self, config: Config, request: Request) -> CodeArray:
        """The codes (T, Q) int64 of one streamed run. TtsctlError if the configuration or the engine fails."""
        ...

    def provenance(self) -> Provenance:
        """The provenance of the last run; without a run, this machine's, without threads and checkpoint."""
        ...

    def notes(self) -> list[str]:
        """What the engine noted in all runs so far, each note of a text once."""
        ...

    def close(self) -> None:
        """Free what is kept between runs. Harmless twice."""
        ...


def fresh_runs(isolation: Isolation) -> FreshRuns:
    """Runs in this process for "state", in a process each for "process"."""
    return FreshProcesses() if isolation == "process" else FreshEngines()


class FreshEngines:
    """Keeps the engine of the last configuration, and loads an engine anew for another configuration.

    An engine restores the process-wide switches after each call, so none inherits those of another.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._provenance: Provenance | None = None
        self._notes: dict[str, None] = {}

    def run(self, config: Config, request: Request) -> CodeArray:
        """As ``FreshRuns.run``; see ``runs.engines.engine_errors``."""
        with engine_errors():
            run = run_stream(self._loaded(config), request, threading.Event())
        self._notes.update(_named_notes(request, run))
        return run.require_codes()

    def provenance(self) -> Provenance:
        return self._provenance or collect_provenance()

    def notes(self) -> list[str]:
        return list(self._notes)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def _loaded(self, config: Config) -> Engine:
        if self._engine is None or self._engine.config != config:
            self.close()
            self._engine = load_engine(config)
            self._provenance = self._engine.info.provenance
        return self._engine


class FreshProcesses:
    """Makes every run in an interpreter of its own, which has seen no other configuration.

    Each run pays for a start and a load. This is for what a process keeps, such as the kernels that cuDNN has
    benchmarked, or a cuBLAS workspace that cannot be changed once CUDA has started.
    """

    def __init__(self) -> None:
        self._provenance: Provenance | None = None
        self._notes: dict[str, None] = {}

    def run(self, config: Config, request: Request) -> CodeArray:
        """As ``FreshRuns.run``; EngineError for whatever went wrong in the process."""
        result = run_job(Job("bisect", "text", 1, config, request, isolation="process", warmup=0))
        if result.codes is None:
            raise EngineError(result.error or "the run gave no codes")
        self._provenance = result.provenance
        if result.run is not None:
            self._notes.update(_named_notes(request, result.run))
        return result.codes

    def provenance(self) -> Provenance:
        return self._provenance or collect_provenance()

    def notes(self) -> list[str]:
        return list(self._notes)

    def close(self) -> None:
        """Nothing is kept: every process has ended with its run."""


def _named_notes(request: Request, run: Run) -> dict[str, None]:
    return dict.fromkeys(f"{request.text_id or 'text'}: {note}" for note in run.notes)
