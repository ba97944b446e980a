"""Running a suite: every case, whatever happens to the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.errors import error_line
from ttsctl.regress.case_runs import CaseRuns, run_case
from ttsctl.regress.suite import Suite
from ttsctl.runs.texts import Case
from ttsctl.runs.timeout import GRACE_S, CaseTimeout, TimedWorker

EngineFactory = Callable[[], Engine]

# Ending an engine's worker process may take some seconds.
CLOSE_S = 15.0


@dataclass(frozen=True)
class CaseError:
    """Why a case has no runs: the type of the error that it raised, and the message on one line."""

    type: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> CaseError:
        """The error as it is reported."""
        return cls(type(error).__name__, " ".join(str(error).split()) or "no message")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class FailedCase:
    """A case that raised, or took longer than its time limit."""

    case: Case
    error: CaseError


class Runner:
    """Runs the cases of a suite one after another. A case that fails is a FailedCase; the others still run.

    The suite's ``timeout_s`` is the time limit for all runs of a case together, warm-up included; loading the engine
    does not count. An engine that is still busy ``grace_s`` after the limit is abandoned together with its thread, and
    the next case gets a new engine from the factory. Python cannot end a thread, so the abandoned engine keeps its
    memory and may use the CPU, which ``notes`` says.

    Errors of loading the first engine are raised: without an engine there is nothing to run. ``info`` describes the
    engine that was loaded last, and is None before.
    """

    def __init__(self, suite: Suite, factory: EngineFactory, grace_s: float = GRACE_S) -> None:
        self._suite = suite
        self._factory = factory
        self._grace_s = grace_s
        self._engine: Engine | None = None
        self._worker: TimedWorker | None = None
        self._warm = False
        self.info: EngineInfo | None = None
        self.notes: list[str] = []

    def run_cases(self) -> Generator[CaseRuns | FailedCase, None, None]:
        """The runs of every case, in the suite's order. The engine is closed when the iterator ends or is closed."""
        # After Ctrl-C the engine may be stuck in a run, so closing it must not take long.
        limit_s = GRACE_S
        try:
            for case in self._suite.cases:
                yield self._run_or_error(case)
            limit_s = CLOSE_S
        finally:
            self._close(limit_s)

    def _run_or_error(self, case: Case) -> CaseRuns | FailedCase:
        try:
            return self._run(case)
        except Exception as error:  # whatever an engine may raise is an error of this case alone
            if self.info is None:
                raise
            return FailedCase(case, CaseError.of(error))

    def _run(self, case: Case) -> CaseRuns:
        engine, worker = self._ready()
        warmup = 0 if self._warm else self._suite.warmup

        def work(cancelled: threading.Event) -> CaseRuns:
            return run_case(engine, case, self._suite.runs, warmup, cancelled, self._suite.offline_from_codes)

        try:
            runs = worker.call(work, self._suite.timeout_s, self._grace_s)
        except CaseTimeout as error:
            if error.stuck:
                self._abandon(case, worker)
            raise
        self._warm = True
        return runs

    def _ready(self) -> tuple[Engine, TimedWorker]:
        if self._engine is None or self._worker is None:
            self._engine = self._factory()
            self._worker = TimedWorker()
            self._warm = False
            self.info = self._engine.info
        return self._engine, self._worker

    def _abandon(self, case: Case, worker: TimedWorker) -> None:
        worker.close()
        self._engine = self._worker = None
        self.notes.append(
            f"{case.id}: the engine was still busy {self._grace_s:g} s after its time was up; later cases ran on a "
            "fresh engine beside it, so their timings are not to be trusted"
        )

    def _close(self, limit_s: float) -> None:
        """Close the engine in its own thread, where it waits for a run that has not stopped yet."""
        engine, worker = self._engine, self._worker
        self._engine = self._worker = None
        if engine is None or worker is None:
            return
        try:
            worker.call(lambda _: engine.close(), limit_s, 0.0)
        except Exception as error:  # noqa: BLE001  the cases have run, and their results count
            self.notes.append(f"the engine could not be closed: {error_line(error)}")
        finally:
            worker.close()
