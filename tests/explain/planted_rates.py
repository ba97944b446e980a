"""How often a comparison names a planted fault exactly. By hand, with every place struck N times:

PYTHONPATH=tests:tests/explain python tests/explain/planted_rates.py N [frames] [seed]
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.engine_help import make_engine
from tests.explain.fault_plan import Plan, at_stages
from tests.explain.planted import Fault, module_at, replaced
from ttsctl.core.forensic import Site, Value, Values
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.trace import Draws, TraceLevel
from ttsctl.engine.codegen.stage import Clock, CodegenStage, NoLimit
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.recording.recorder import Recorder
from ttsctl.explain.compare_traces import Side, compare_traces
from ttsctl.explain.divergence import Divergence
from ttsctl.explain.graft import graft_trials

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))


class Faulty:
    """A forensic engine with one fault in every run."""

    def __init__(self, engine: LocalEngine, fault: Fault) -> None:
        self._engine, self._fault = engine, fault
        self._inner = LocalForensics(engine)
        self.config, self.info = engine.config, engine.info

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        with self._fault.plant(self._engine):
            return self._inner.record(request, level, grafts)

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        with self._fault.plant(self._engine):
            return self._inner.capture(request, point, first_frame)

    def force(self, request: Request, codes: Any, jitter_seed: int | None = None) -> Draws:
        with self._fault.plant(self._engine):
            return self._inner.force(request, codes, jitter_seed)


@dataclass(frozen=True)
class Outcome:
    """What a comparison said of a fault."""

    fault: Fault
    found: Divergence | None

    @property
    def exact(self) -> bool:
        """Stage, frame, codebook, point, and whether it is that module or what feeds it."""
        fault, found = self.fault, self.found
        return found is not None and (
            (found.stage, found.frame, found.codebook or 0, found.point, found.is_input, found.call)
            == (fault.stage, fault.frame, fault.codebook, fault.point, fault.is_input, fault.call)
        )


@dataclass(frozen=True)
class Bench:
    """An engine, its clean run at a level, and the frames of it."""

    engine: LocalEngine
    level: TraceLevel
    clean: Run
    request: Request = REQUEST

    @classmethod
    def of(cls, frames: int, level: TraceLevel, *sets: str) -> Bench:
        engine = make_engine("builtin", f"sampling.max_new_tokens={frames + 1}", *sets)
        return cls(engine, level, LocalForensics(engine).record(REQUEST, level))

    @property
    def side(self) -> Side:
        return Side("clean", self.clean.require_codes(), self.clean.trace)

    def blame(self, fault: Fault) -> Outcome:
        run = Faulty(self.engine, fault).record(self.request, self.level)
        return Outcome(fault, compare_traces(self.side, Side("faulty", run.require_codes(), run.trace)).first)

    def converges(self, outcome: Outcome) -> bool:
        """Whether the clean value of the named site makes the faulty run the clean one: codes, PCM and all values.

        What a module takes has no site of its own: there a series of grafts has to prove it.
        """
        found, clean = outcome.found, LocalForensics(self.engine)
        faulty = Faulty(self.engine, outcome.fault)
        assert found is not None
        if found.is_input or not outcome.fault.once:
            trials = graft_trials(found, self.side, lambda: clean, lambda: faulty, self.request)
            if any(trial.proven for trial in trials):
                return True
            # A last bit may be lost in rounding before it leaves its stage: then there is nothing to cure.
            return trials[-1].proven is None and self._is_clean(faulty.record(self.request, self.level))
        site = Site(found.point, found.frame, found.codebook or 0, found.call)
        value = clean.capture(self.request, found.point, found.frame)[site]
        run = faulty.record(self.request, self.level, {site: value})
        if not self._is_clean(run):
            return False
        still = compare_traces(self.side, Side("grafted", run.require_codes(), run.trace)).first
        # A draw's record goes on to say what the draw would have taken.
        return still is None or (still.stage == "draw" and still == found)

    def _is_clean(self, run: Run) -> bool:
        same_codes = np.array_equal(run.require_codes(), self.clean.require_codes())
        return same_codes and np.array_equal(run.require_pcm(), self.clean.require_pcm())

    @contextmanager
    def same_codes(self) -> Iterator[None]:
        """The clean run's codes and their trace are replayed: for faults that come after them."""
        stage = self.engine.codegen_stage

        packets = list(
            stage.packets(REQUEST, Clock.start(), Recorder(self.level).codegen(stage.generator.talker), NoLimit())
        )

        def replay(*_: Any) -> Iterator[Any]:
            yield from packets

        with replaced(CodegenStage, "packets", lambda _: replay):
            yield

    def codec_paths(self) -> tuple[list[str], list[str]]:
        """The codec's modules by path, and those that keep a past."""
        assert self.clean.trace is not None
        paths = [point for point in self.clean.trace.decode.points if point.startswith("decoder.")]
        return paths, [path for path in paths if _keeps_past(module_at(self.engine, path))]


def _keeps_past(module: Any) -> bool:
    return bool(getattr(module, "reach", 0) or getattr(module, "overlap", 0))


def outcomes(each: int, frames: int, seed: int = 0, every: int = 1) -> Iterator[Outcome]:
    """The faults of the plan at level modules; of those in code generation, which take longest, each ``every``-th."""
    plan = Plan(random.Random(seed), frames, each)
    modules = Bench.of(frames, "modules")
    chosen = (fault for i, fault in enumerate(plan.codegen()) if i % every == 0 or fault.stage == "text")
    yield from map(modules.blame, chosen)
    with modules.same_codes():
        yield from map(modules.blame, plan.codec(*modules.codec_paths()))
    yield from map(Bench.of(frames, "modules", "sampling.policy=seeded").blame, plan.noise())


def stage_outcomes(frames: int, seed: int = 0, every: int = 4) -> Iterator[Outcome]:
    """Each ``every``-th fault that has a stage point, at level stages."""
    plan = Plan(random.Random(seed), frames)
    stages, paths = Bench.of(frames, "stages"), Bench.of(frames, "modules").codec_paths()
    codegen = filter(None, map(at_stages, plan.codegen()))
    yield from map(stages.blame, list(codegen)[::every])
    with stages.same_codes():
        yield from map(stages.blame, list(filter(None, map(at_stages, plan.codec(*paths))))[::every])


def table(found: Iterable[Outcome]) -> str:
    """A line a stage: named exactly, of all planted."""
    rows = list(found)
    planted, exact = (Counter(o.fault.stage for o in rows if keep(o)) for keep in (lambda _: True, lambda o: o.exact))
    lines = [f"{stage:>10} {exact[stage]:5d} of {count:5d}" for stage, count in planted.items()]
    return "\n".join([*lines, f"{'all':>10} {sum(exact.values()):5d} of {len(rows):5d}"])


def missed(found: Sequence[Outcome]) -> list[str]:
    return [f"{o.fault.name}: {o.found.line if o.found else 'nothing'}" for o in found if not o.exact]


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    each, frames, seed = [*numbers, *(1, 7, 0)[len(numbers) :]]
    for name, run in (("modules", partial(outcomes, each)), ("stages", partial(stage_outcomes, every=1))):
        found = list(run(frames=frames, seed=seed))
        print(f"level {name}, {frames} frames, seed {seed}\n{table(found)}", *missed(found), sep="\n")
