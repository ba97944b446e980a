"""Running a suite: every case, whatever happens to the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.regress.cases import CaseOutput, drive_case
from ttsctl.regress.suite import Suite
from ttsctl.runs.cases import Case
from ttsctl.runs.timeout import GRACE_S, CaseTimeout, Worker

EngineFactory = Callable[[], Engine]


@dataclass(frozen=True)
class CaseError:
    """A case that did not end well: the type of what it raised, and its message on one line."""

    type: str
    message: str

    @classmethod
    def of(cls, error: Exception) -> CaseError:
        return cls(type(error).__name__, " ".join(str(error).split()) or "no message")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class Failed:
    """A case without output."""

    case: Case
    error: CaseError


class Runner:
    """Runs cases one after another. A case that raises or outlives ``timeout_s`` is Failed; the others run on.

    ``timeout_s`` is for all runs of a case together, warm-up included, but not for loading. An engine that is still
    busy ``GRACE_S`` after its time is left behind in its thread and the next case gets a fresh one from the factory:
    Python cannot end a thread, so the old one goes on taking memory and CPU, which ``notes`` says.
    Loading the first engine raises what it raises: with a checkpoint that cannot be loaded there is nothing to run.
    """

    def __init__(self, suite: Suite, factory: EngineFactory, grace_s: float = GRACE_S) -> None:
        self._suite = suite
        self._factory = factory
        self._grace_s = grace_s
        self._engine: Engine | None = None
        self._worker: Worker | None = None
        self._warm = False
        self.info: EngineInfo | None = None
        self.notes: list[str] = []

    def outcomes(self) -> Iterator[CaseOutput | Failed]:
        """One outcome a case, in the suite's order; Ctrl-C passes through."""
        try:
            for case in self._suite.cases:
                yield self._outcome(case)
        finally:
            if self._worker is not None:
                self._worker.close()

    def _outcome(self, case: Case) -> CaseOutput | Failed:
        try:
            return self._run(case)
        except Exception as error:  # whatever an engine may raise is an error of this case alone
            if self.info is None:
                raise
            return Failed(case, CaseError.of(error))

    def _run(self, case: Case) -> CaseOutput:
        engine, worker = self._ready()
        warmup = 0 if self._warm else self._suite.warmup

        def work(cancelled: threading.Event) -> CaseOutput:
            return drive_case(engine, case, self._suite.runs, warmup, cancelled)

        try:
            output = worker.call(work, self._suite.timeout_s, self._grace_s)
        except CaseTimeout as error:
            if error.stuck:
                self._leave_behind(case)
            raise
        self._warm = True
        return output

    def _ready(self) -> tuple[Engine, Worker]:
        if self._engine is None or self._worker is None:
            self._engine = self._factory()
            self._worker = Worker()
            self._warm = False
            self.info = self._engine.info
        return self._engine, self._worker

    def _leave_behind(self, case: Case) -> None:
        self._engine = self._worker = None
        self.notes.append(
            f"{case.id}: the engine was still busy {self._grace_s:g} s after its time was up; later cases ran on a "
            "fresh engine beside it, so their timings are not to be trusted"
        )
