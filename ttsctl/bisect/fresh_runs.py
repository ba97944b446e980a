"""Running one configuration after another, each in fresh state: engines in this process, or an interpreter a run."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttsctl.core.codes import CodeArray
    from ttsctl.core.config import Config
    from ttsctl.core.engine import Engine
    from ttsctl.core.provenance import Provenance
    from ttsctl.core.request import Request


class FreshEngines:
    """``run`` for lab.bisect: the engine of the last configuration is kept, that of another is loaded anew.

    An engine puts back the process-wide switches after each call, so none inherits those of another.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._provenance: Provenance | None = None

    def run(self, config: Config, request: Request) -> CodeArray:
        """Codes (T, Q) int64 of one streamed run. EngineError for whatever torch raises."""
        from ttsctl.core.errors import EngineError
        from ttsctl.runs.run_stream import run_stream

        try:
            return run_stream(self._loaded(config), request, threading.Event()).require_codes()
        except RuntimeError as error:  # torch has no other word for a kernel that is missing
            raise EngineError(f"the engine failed: {str(error).splitlines()[0]}") from error

    def _loaded(self, config: Config) -> Engine:
        from ttsctl.runs.engines import load_engine

        if self._engine is None or self._engine.config != config:
            self.close()
            self._engine = load_engine(config)
            self._provenance = self._engine.info.provenance
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def provenance(self) -> Provenance:
        """This machine's, as the last engine saw it, or without threads and checkpoint if none was loaded."""
        from ttsctl.core.machine import collect_provenance

        return self._provenance or collect_provenance()

    def __enter__(self) -> FreshEngines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FreshProcesses:
    """``run`` for lab.bisect: every run in an interpreter of its own, which has seen no other configuration.

    Slower by a start and a load each run; for what a process keeps, such as kernels that cuDNN has benchmarked, or a
    cuBLAS workspace that cannot be changed once CUDA has started.
    """

    def __init__(self) -> None:
        self._provenance: Provenance | None = None

    def run(self, config: Config, request: Request) -> CodeArray:
        """Codes (T, Q) int64 of one streamed run. EngineError for whatever went wrong in its process."""
        from ttsctl.core.errors import EngineError
        from ttsctl.runs.job import Job
        from ttsctl.runs.run_job import run_job

        result = run_job(Job("bisect", "text", 1, config, request, isolation="process", warmup=0))
        if result.codes is None:
            raise EngineError(result.error or "the run gave no codes")
        self._provenance = result.provenance
        return result.codes

    def provenance(self) -> Provenance:
        """This machine's, as the last run saw it."""
        from ttsctl.core.machine import collect_provenance

        return self._provenance or collect_provenance()

    def __enter__(self) -> FreshProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every process has ended with its run."""
