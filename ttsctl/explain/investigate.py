"""Two runs and the engines that made them: compare, run again, measure the noise, force, and prove by graft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.forensic import Forensic
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.trace import TraceLevel
from ttsctl.explain.compare_traces import LEVELS, Comparison, Side, compare
from ttsctl.explain.graft import Open, Rung, ladder, listed, repeats
from ttsctl.explain.rounding_noise import Noise, Verdict, calibrate, coarser, judge
from ttsctl.explain.teacher_forcing import Forced, without_cascade

NO_ENGINE = "no engine was asked: name the text that the runs spoke (--text, --text-id or --texts)"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Bench:
    """What an investigation works with: the engines of A and of B, opened when needed, and the request of both runs.

    ``jitter_seeds`` measure the noise (none: no calibration); ``prove`` asks for grafts.
    """

    request: Request
    open_a: Open
    open_b: Open
    jitter_seeds: Sequence[int] = (1, 2, 3, 4)
    prove: bool = True


@dataclass(frozen=True)
class Investigation:
    """All that is known. Whatever is null or empty has its reason beside it."""

    comparison: Comparison
    verdict: Verdict
    noise: Noise | None
    noise_reason: str | None
    forced: Forced | None
    forced_reason: str | None
    rungs: tuple[Rung, ...]
    proof_reason: str | None

    @property
    def proven(self) -> bool | None:
        """Whether a graft of one place made B equal to A; null where none was tried, or none came to an end."""
        tried = [rung.proven and not rung.spread for rung in self.rungs if rung.proven is not None]
        return any(tried) if tried else None


def without_engine(a: Side, b: Side, reason: str = NO_ENGINE) -> Investigation:
    """What the files alone tell."""
    found = compare(a, b)
    return Investigation(found, judge(found, None, reason), None, reason, None, reason, (), reason)


def investigate(a: Side, b: Side, bench: Bench) -> Investigation:
    """Explain B against A with both engines at hand. The runs are made again, at level modules, to see that they
    repeat; then these stand for them. What an engine cannot do becomes a reason, not an error.
    """
    found = compare(a, b)
    if found.first is None:
        why = "nothing differs"
        return Investigation(found, judge(found, None, why), None, why, None, why, (), why)
    a, b, unsteady = _again(a, b, bench)
    found = compare(a, b)
    in_codegen = found.codegen is not None
    noise, no_noise = _told(lambda: _noise(a, bench)) if in_codegen else (None, "code generation is equal")
    bound = _gaps_of_one_kind(found, noise)
    forced, no_force = _told(lambda: _force(a, bench, bound)) if in_codegen else (None, "code generation is equal")
    rungs, no_proof = _proof(a, found, bench, unsteady or _unlike(found, bench))
    return Investigation(found, judge(found, noise, no_noise), noise, no_noise, forced, no_force, rungs, no_proof)


def record_until_different(
    engine: Forensic, request: Request, runs: int, level: TraceLevel, tell: Callable[[], None]
) -> list[Side]:
    """Run up to ``runs`` times, and stop at the first run that is not equal to run 1: it is the last of the list."""
    sides: list[Side] = []
    for number in range(1, runs + 1):
        sides.append(recorded_side(f"run {number}", engine, request, level))
        tell()
        if number > 1 and compare(sides[0], sides[-1]).first is not None:
            break
    return sides


def recorded_side(label: str, engine: Forensic, request: Request, level: TraceLevel = "modules") -> Side:
    """One run with its trace. CannotJudge if the engine ended the speech before the first frame."""
    run = engine.record(request, level)
    if not len(run.require_codes()):
        raise CannotJudge("the engine ended the speech before the first frame", "raise sampling.max_new_tokens")
    return Side(label, run.require_codes(), run.trace)


def _again(a: Side, b: Side, bench: Bench) -> tuple[Side, Side, str | None]:
    """Both runs made again, or as they were and why that would not do."""
    sides = []
    for side, opened in ((a, bench.open_a), (b, bench.open_b)):
        again, why = _told(partial(_record_again, opened, bench.request))
        why = why if again is None else repeats(side, again, side.label)
        if again is None or why is not None:
            return a, b, why
        sides.append(Side(side.label, again.require_codes(), again.trace))
    return sides[0], sides[1], None


def _record_again(opened: Open, request: Request) -> Run:
    return opened().record(request, LEVELS[-1])


def _noise(a: Side, bench: Bench) -> Noise:
    if not bench.jitter_seeds:
        raise CannotJudge("no calibration was asked for")
    engines = [bench.open_a(), bench.open_b()]
    precisions = [_precision(engine) for engine in engines]
    chosen = coarser(*precisions)
    engine = engines[precisions.index(chosen)]
    return calibrate(lambda seed: engine.force(bench.request, a.codes, seed), bench.jitter_seeds, chosen)


def _precision(engine: Forensic, part: str = "codegen") -> str:
    return str(engine.info.in_force[f"{part}_dtype"])


def _unlike(found: Comparison, bench: Bench) -> str | None:
    """Why no value of A fits into B bit for bit; None if it does."""
    if found.first is None:
        return None
    part = "codegen" if found.codegen is not None else "decoder"
    engines = bench.open_a(), bench.open_b()
    a, b = (_precision(engine, part) for engine in engines)
    if a != b:
        return f"{part} computes in {a} in A and in {b} in B: no value of one fits the other, so none is grafted"
    a, b = (engine.config.decoder.padding for engine in engines)
    if part == "decoder" and a != b:
        return f"decoder.padding is {a} in A and {b} in B: frames of other lengths, so none is grafted"
    return None


def _force(a: Side, bench: Bench, noise: Noise | None) -> Forced:
    if a.trace is None:
        raise CannotJudge("A kept no draws")
    own = bench.open_a().force(bench.request, a.codes)
    return without_cascade(a.trace.draws, own, bench.open_b().force(bench.request, a.codes), noise)


def _gaps_of_one_kind(found: Comparison, noise: Noise | None) -> Noise | None:
    """The noise, if gaps of A and B can be held against it: not where the draws themselves weigh otherwise."""
    return None if found.codegen is not None and found.codegen.stage == "draw" else noise


def _proof(a: Side, found: Comparison, bench: Bench, hindered: str | None) -> tuple[tuple[Rung, ...], str | None]:
    if not bench.prove:
        return (), "no graft was asked for"
    if hindered is not None:
        return (), hindered
    if found.first is None:
        return (), "run again, the two do not differ"
    if found.cut:
        return (), "one run was cut there: it computed nothing that a graft could replace"
    rungs = tuple(ladder(found.first, a, bench.open_a, bench.open_b, bench.request))
    last = rungs[-1] if rungs else None
    if last is not None and last.proven:
        return rungs, f"the cause is spread over {listed(last.stages)}" if last.spread else None
    tried = any(rung.proven is not None for rung in rungs)
    return rungs, "no graft made B equal to A" if tried else "no graft could be tried"


def _told(work: Callable[[], Found]) -> tuple[Found | None, str | None]:
    """The result, or why the engine could not give it: B's may not know A's voice, or A's codes."""
    try:
        return work(), None
    except (CannotJudge, InputError) as error:
        return None, str(error)
