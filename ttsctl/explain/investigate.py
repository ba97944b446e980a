"""Two runs and their engines: compare, repeat, measure the rounding noise, force A's codes through B, try grafts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.forensic import Forensic
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.trace import TraceLevel
from ttsctl.explain.compare_traces import LEVELS, Side, TraceComparison, compare_traces
from ttsctl.explain.graft import GraftTrial, OpenEngine, graft_trials, listed, why_not_repeated
from ttsctl.explain.rounding_noise import DriftVerdict, Noise, calibrate, classify_drift, coarser
from ttsctl.explain.teacher_forcing import ForcedDraws, compare_forced_draws

NO_ENGINE = "no engine was asked: name the text that the runs spoke (--text, --text-id or --texts)"
CODEGEN_EQUAL = "code generation is equal"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Methods:
    """What is done beyond comparing: ``jitter_seeds`` measure the noise (none: no calibration), ``prove`` grafts."""

    jitter_seeds: tuple[int, ...] = (1, 2, 3, 4)
    prove: bool = True


@dataclass(frozen=True)
class ReplaySetup:
    """What it takes to run A and B again: their request, their engines, opened when needed, and what to do."""

    request: Request
    open_a: OpenEngine
    open_b: OpenEngine
    methods: Methods = field(default_factory=Methods)


@dataclass(frozen=True)
class Investigation:
    """All that was found out. Whatever is null or empty has its reason beside it."""

    comparison: TraceComparison
    verdict: DriftVerdict
    noise: Noise | None
    noise_reason: str | None
    forced: ForcedDraws | None
    forced_reason: str | None
    trials: tuple[GraftTrial, ...]
    proof_reason: str | None

    @property
    def proven(self) -> bool | None:
        """Whether a graft of one place made B equal to A; null where no graft was tried to its end."""
        tried = [trial.proven and not trial.spread for trial in self.trials if trial.proven is not None]
        return any(tried) if tried else None


def investigate_files(a: Side, b: Side, reason: str = NO_ENGINE) -> Investigation:
    """What the recordings alone tell; ``reason`` says why the engines were not asked."""
    return _without_engines(compare_traces(a, b), reason)


def investigate(a: Side, b: Side, setup: ReplaySetup) -> Investigation:
    """Explain B against A, with both engines.

    Both runs are made again, at level modules. If they repeat, the new runs take the place of ``a`` and ``b``. What an
    engine cannot do becomes a reason, not an error.
    """
    found = compare_traces(a, b)
    if found.first is None:
        return _without_engines(found, "nothing differs")
    a, b, unsteady = _repeated(a, b, setup)
    found = compare_traces(a, b)
    differs = found.codegen is not None
    noise, no_noise = _or_reason(lambda: _measure_noise(a, setup)) if differs else (None, CODEGEN_EQUAL)
    bound = _noise_of_gaps(found, noise)
    forced, no_force = _or_reason(lambda: _force_codes(a, setup, bound)) if differs else (None, CODEGEN_EQUAL)
    trials, no_proof = _prove(a, found, setup, unsteady or _why_values_do_not_fit(found, setup))
    return Investigation(
        comparison=found,
        verdict=classify_drift(found, noise, no_noise),
        noise=noise,
        noise_reason=no_noise,
        forced=forced,
        forced_reason=no_force,
        trials=trials,
        proof_reason=no_proof,
    )


def record_until_different(
    engine: Forensic, request: Request, runs: int, level: TraceLevel, advance: Callable[[], None]
) -> list[Side]:
    """Run up to ``runs`` times, and stop after the first run that is not equal to run 1."""
    sides: list[Side] = []
    for number in range(1, runs + 1):
        sides.append(recorded_side(f"run {number}", engine, request, level))
        advance()
        if number > 1 and compare_traces(sides[0], sides[-1]).first is not None:
            break
    return sides


def recorded_side(label: str, engine: Forensic, request: Request, level: TraceLevel = "modules") -> Side:
    """One run with its trace. CannotJudge if the engine ended the speech before the first frame."""
    run = engine.record(request, level)
    if not len(run.require_codes()):
        raise CannotJudge("the engine ended the speech before the first frame", "raise sampling.max_new_tokens")
    return Side(label, run.require_codes(), run.trace, run.notes)


def _without_engines(found: TraceComparison, reason: str) -> Investigation:
    return Investigation(
        comparison=found,
        verdict=classify_drift(found, None, reason),
        noise=None,
        noise_reason=reason,
        forced=None,
        forced_reason=reason,
        trials=(),
        proof_reason=reason,
    )


def _repeated(a: Side, b: Side, setup: ReplaySetup) -> tuple[Side, Side, str | None]:
    """Both runs made again; or both as they were, and why they could not be repeated."""
    sides = []
    for side, open_engine in ((a, setup.open_a), (b, setup.open_b)):
        again, why = _or_reason(partial(_record_again, open_engine, setup.request))
        why = why if again is None else why_not_repeated(side, again)
        if again is None or why is not None:
            return a, b, why
        sides.append(Side(side.label, again.require_codes(), again.trace))
    return sides[0], sides[1], None


def _record_again(open_engine: OpenEngine, request: Request) -> Run:
    return open_engine().record(request, LEVELS[-1])


def _measure_noise(a: Side, setup: ReplaySetup) -> Noise:
    """The rounding noise of the coarser of both engines. CannotJudge if it was not asked for or cannot be measured."""
    seeds = setup.methods.jitter_seeds
    if not seeds:
        raise CannotJudge("no calibration was asked for")
    engines = [setup.open_a(), setup.open_b()]
    precisions = [_precision(engine, "codegen") for engine in engines]
    chosen = coarser(*precisions)
    engine = engines[precisions.index(chosen)]
    return calibrate(lambda seed: engine.force(setup.request, a.codes, seed), seeds, chosen)


def _precision(engine: Forensic, part: str) -> str:
    return str(engine.info.in_force[f"{part}_dtype"])


def _why_values_do_not_fit(found: TraceComparison, setup: ReplaySetup) -> str | None:
    """Why no value of A can take the place of one of B; None if it can."""
    if found.first is None:
        return None
    part = "codegen" if found.codegen is not None else "decoder"
    engines = setup.open_a(), setup.open_b()
    a, b = (_precision(engine, part) for engine in engines)
    if a != b:
        return f"{part} computes in {a} in A and in {b} in B: no value of one fits the other, so none is grafted"
    a, b = (engine.config.decoder.padding for engine in engines)
    if part == "decoder" and a != b:
        return f"decoder.padding is {a} in A and {b} in B: frames of other lengths, so none is grafted"
    return None


def _force_codes(a: Side, setup: ReplaySetup, noise: Noise | None) -> ForcedDraws:
    if a.trace is None:
        raise CannotJudge("A kept no draws")
    forced_a = setup.open_a().force(setup.request, a.codes)
    forced_b = setup.open_b().force(setup.request, a.codes)
    return compare_forced_draws(a.trace.draws, forced_a, forced_b, noise)


def _noise_of_gaps(found: TraceComparison, noise: Noise | None) -> Noise | None:
    """The noise, unless the draws themselves differ: then gaps of A and B are not of one kind."""
    return None if found.codegen is not None and found.codegen.stage == "draw" else noise


def _prove(
    a: Side, found: TraceComparison, setup: ReplaySetup, hindered: str | None
) -> tuple[tuple[GraftTrial, ...], str | None]:
    """(the grafts that were tried, why there is no proof); ``hindered`` says why none can be tried."""
    if not setup.methods.prove:
        return (), "no graft was asked for"
    if hindered is not None:
        return (), hindered
    if found.first is None:
        return (), "run again, the two do not differ"
    if found.cut:
        return (), "one run was cut there: it computed nothing that a graft could replace"
    trials = tuple(graft_trials(found.first, a, setup.open_a, setup.open_b, setup.request))
    last = trials[-1] if trials else None
    if last is not None and last.proven:
        return trials, f"the cause is spread over {listed(last.stages)}" if last.spread else None
    tried = any(trial.proven is not None for trial in trials)
    return trials, "no graft made B equal to A" if tried else "no graft could be tried"


def _or_reason(work: Callable[[], Result]) -> tuple[Result | None, str | None]:
    """The result; or None, and why the engine could not give it: it may not know the other run's voice or codes."""
    try:
        return work(), None
    except (CannotJudge, InputError) as error:
        return None, str(error)
