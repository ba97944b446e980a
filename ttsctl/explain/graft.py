"""Proof by graft: A's value of a named place in B's run. If B then equals A from there on, that place is the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.errors import CannotJudge
from ttsctl.core.forensic import Forensic, Site, Value
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.trace import STAGES, Prints, Trace
from ttsctl.explain.alignment import kept
from ttsctl.explain.compare_traces import Comparison, Side, compare
from ttsctl.explain.divergence import Divergence
from ttsctl.explain.draws import ids_alone

# What leaves a stage. Text is the request's; what the packetiser does comes after all values.
LAST_POINTS = {
    "prompt": ("prompt",),
    "talker": ("talker.hidden", "talker.logits"),
    "draw": ("draw",),
    "predictor": ("predictor.logits",),
    "codec": ("codec.pcm",),
}

Open = Callable[[], Forensic]


@dataclass(frozen=True)
class Rung:
    """One graft: ``what`` in words, its points, how many ``values`` were put in. ``proven`` is null with a reason.

    ``still`` is where B differed first all the same. ``stages`` were replaced whole: where it takes several of them to
    make B equal to A, the cause is spread over them, and no one place is proven.
    """

    what: str
    points: tuple[str, ...]
    values: int
    proven: bool | None
    reason: str | None
    still: Divergence | None
    stages: tuple[str, ...] = ()

    @property
    def spread(self) -> bool:
        return len(self.stages) > 1


def ladder(first: Divergence, a: Side, open_a: Open, open_b: Open, request: Request) -> list[Rung]:
    """From the narrowest graft to the widest, up to the first that proves it: the value of the first difference;
    that point from there on; what leaves its stage from there on; and the stages at which B still differs with it.

    ``a`` is A's run, with its trace; ``first`` is where B parts from it.
    """
    bench = _Bench(a, open_a, open_b, request)
    rungs: list[Rung] = []
    for graft in _narrow(first):
        rungs.append(bench.try_graft(graft))
        if rungs[-1].proven:
            return rungs
    stages: list[str] = []
    stage: str | None = first.stage
    while stage in LAST_POINTS and stage not in stages:
        stages.append(stage)
        rungs.append(bench.try_graft(_whole(stages, first)))
        still = rungs[-1].still
        stage = still.stage if still is not None else None
    return rungs


@dataclass(frozen=True)
class Graft:
    """Values to take from A: of ``points``, at ``site`` alone or from ``frame`` on. ``stages`` are replaced whole.

    ``past_input``: what the points take differs already, and what they give is put in behind it.
    """

    what: str
    points: tuple[str, ...]
    frame: int
    site: Site | None = None
    stages: tuple[str, ...] = ()
    past_input: bool = False


def _narrow(first: Divergence) -> Iterator[Graft]:
    site = Site(first.point, first.frame, first.codebook or 0, first.call)
    once = f"what {first.point} gives there" if first.is_input else "that value once"
    yield Graft(once, (first.point,), first.frame, site=site, past_input=first.is_input)
    what = f"{first.point} from frame {first.frame} on"
    yield Graft(what, (first.point,), first.frame, past_input=first.is_input)


def _whole(stages: Sequence[str], first: Divergence) -> Graft:
    points = tuple(point for stage in stages for point in LAST_POINTS[stage])
    what = f"all that leaves {listed(stages)} from frame {first.frame} on"
    return Graft(what, points, first.frame, stages=tuple(stages))


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


class _Bench:
    def __init__(self, a: Side, open_a: Open, open_b: Open, request: Request) -> None:
        self.a, self.open_a, self.open_b, self.request = a, open_a, open_b, request
        self.b = self._run_b("B", None)
        self._captured: dict[str, dict[Site, Value]] = {}

    def try_graft(self, graft: Graft) -> Rung:
        """Run B with A's values and look whether it equals A, as it did not without them."""
        if _still_differs(self.a, self.b, graft) is None:
            why = "but for what it replaces, B equals A as it is"
            return Rung(graft.what, graft.points, 0, None, why, None, graft.stages)
        try:
            values = self._values(graft)
            grafted = self._run_b("B with the graft", values)
        except CannotJudge as error:
            return Rung(graft.what, graft.points, 0, None, str(error), None, graft.stages)
        still = _still_differs(self.a, grafted, graft)
        return Rung(graft.what, graft.points, len(values), still is None, None, still, graft.stages)

    def _run_b(self, label: str, values: dict[Site, Value] | None) -> Side:
        run = self.open_b().record(self.request, self.a.level, values)
        return Side(label, run.require_codes(), run.trace)

    def _values(self, graft: Graft) -> dict[Site, Value]:
        values: dict[Site, Value] = {}
        for point in graft.points:
            if point not in self._captured:
                self._captured[point] = self.open_a().capture(self.request, point, graft.frame)
            taken = self._captured[point]
            values.update(taken if graft.site is None else {s: v for s, v in taken.items() if s == graft.site})
        if not values:
            raise CannotJudge(f"A has no value of {', '.join(graft.points)} there", "record both runs again")
        return values


def _still_differs(a: Side, b: Side, graft: Graft) -> Divergence | None:
    """Where B differs from A, but for the inside of stages that were replaced whole.

    Only the chain that was grafted is looked at: decoding does not act upon code generation.
    """
    assert a.trace is not None and b.trace is not None, "a graft needs traces"
    found = compare(replace(a, trace=_outside(a.trace, graft)), replace(b, trace=_outside(b.trace, graft)))
    return found.codegen if _in_codegen(graft) else found.first


def _in_codegen(graft: Graft) -> bool:
    return not any(point.startswith(("codec.", "decoder.", "packetiser")) for point in graft.points)


def _outside(trace: Trace, graft: Graft) -> Trace:
    """The trace without the values inside of what the graft replaces: of whole stages, and of the draws."""
    draws = ids_alone(trace.draws) if "draw" in graft.points else trace.draws
    return replace(trace, draws=draws, codegen=_bare(trace.codegen, graft), decode=_bare(trace.decode, graft))


def _bare(prints: Prints, graft: Graft) -> Prints:
    inside = np.isin(prints.stage, [STAGES.index(stage) for stage in graft.stages])
    grafted = np.array([point in graft.points for point in prints.points], bool)[prints.point]
    replaced = inside & ~grafted
    if graft.past_input:
        replaced |= grafted & prints.is_input & _reached(prints, graft)
    return kept(prints, ~replaced) if replaced.any() else prints


def _reached(prints: Prints, graft: Graft) -> NDArray[np.bool_]:
    """The rows at the places whose values are replaced."""
    if graft.site is None:
        return np.asarray(prints.frame >= graft.frame)
    return np.asarray((prints.frame == graft.site.frame) & (prints.codebook == graft.site.codebook))


def repeats(before: Side, again: Run, what: str) -> str | None:
    """None if a run came out again as it was recorded; else why nothing can be proven with it."""
    found: Comparison = compare(before, Side(f"{what} run again", again.require_codes(), again.trace))
    if found.first is None and found.codes_equal:
        return None
    where = found.first.line if found.first is not None else "its codes"
    return f"{what} does not repeat under its own config ({where}): a graft would prove nothing"
