"""Proof by graft: B is run with A's values of one place. If B then equals A from there on, that place is the cause."""

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
from ttsctl.explain.alignment import select_rows
from ttsctl.explain.compare_traces import Side, compare_traces
from ttsctl.explain.divergence import Divergence
from ttsctl.explain.draws import ids_alone

# The points at which values leave a stage. A graft of text would be another request, and no value follows from the
# packetiser's: neither is grafted whole.
_STAGE_OUTPUTS = {
    "reference": ("reference.audio",),
    "resampling": ("reference.speaker_pcm", "reference.codec_pcm"),
    "mel": ("mel",),
    "speaker_encoder": ("x_vector",),
    "codec_encoder": ("reference.codes",),
    "prompt": ("prompt",),
    "talker": ("talker.hidden", "talker.logits"),
    "draw": ("draw",),
    "predictor": ("predictor.logits",),
    "codec": ("codec.pcm",),
}

OpenEngine = Callable[[], Forensic]


@dataclass(frozen=True)
class GraftTrial:
    """One graft and what came of it: ``what`` was grafted, in words, its points, and how many ``values`` it had.

    ``proven`` is null where ``reason`` says why. ``still`` is the first difference that was left. ``stages`` were
    replaced as a whole. Where several stages must be replaced to make B equal to A, the cause is spread over them, and
    no one place is proven.
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


@dataclass(frozen=True)
class _Graft:
    """The values to take from A: of ``points``, at ``site`` alone, or from ``frame`` on.

    ``stages`` are replaced as a whole. ``past_input``: the inputs of the points differ already, so their outputs are
    replaced, and their inputs are not compared.
    """

    what: str
    points: tuple[str, ...]
    frame: int
    site: Site | None = None
    stages: tuple[str, ...] = ()
    past_input: bool = False


def graft_trials(
    first: Divergence, a: Side, open_a: OpenEngine, open_b: OpenEngine, request: Request
) -> list[GraftTrial]:
    """Grafts from the narrowest to the widest, up to the first that proves the cause.

    In turn: the one value of ``first``; its point from there on; all that leaves its stage from there on; and the same
    together with each further stage in which B still differs. ``a`` is A's run with its trace, and ``first`` is where
    B differs from it.
    """
    grafter = _Grafter(a, open_a, open_b, request)
    trials: list[GraftTrial] = []
    for graft in _narrow_grafts(first):
        trials.append(grafter.try_graft(graft))
        if trials[-1].proven:
            return trials
    stages: list[str] = []
    stage: str | None = first.stage
    while stage in _STAGE_OUTPUTS and stage not in stages:
        stages.append(stage)
        trials.append(grafter.try_graft(_whole_stages(stages, first)))
        still = trials[-1].still
        stage = still.stage if still is not None else None
    return trials


def why_not_repeated(before: Side, again: Run) -> str | None:
    """None if a run gave the same values again as ``before``; else why nothing can be proven with its engine."""
    found = compare_traces(before, Side(f"{before.label} run again", again.require_codes(), again.trace))
    if found.first is None and found.codes_equal:
        return None
    where = found.first.line if found.first is not None else "its codes"
    return f"{before.label} does not repeat under its own config ({where}): a graft would prove nothing"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _narrow_grafts(first: Divergence) -> Iterator[_Graft]:
    site = Site(first.point, first.frame, first.codebook or 0, first.call)
    once = f"what {first.point} gives there" if first.is_input else "that value once"
    yield _Graft(once, (first.point,), first.frame, site=site, past_input=first.is_input)
    what = f"{first.point} from frame {first.frame} on"
    yield _Graft(what, (first.point,), first.frame, past_input=first.is_input)


def _whole_stages(stages: Sequence[str], first: Divergence) -> _Graft:
    points = tuple(point for stage in stages for point in _STAGE_OUTPUTS[stage])
    what = f"all that leaves {listed(stages)} from frame {first.frame} on"
    return _Graft(what, points, first.frame, stages=tuple(stages))


class _Grafter:
    """Runs B with values of A. What was captured of A is kept, so that no point is captured twice."""

    def __init__(self, a: Side, open_a: OpenEngine, open_b: OpenEngine, request: Request) -> None:
        self._a = a
        self._open_a = open_a
        self._open_b = open_b
        self._request = request
        self._b = self._run_b("B", None)
        self._captured: dict[str, dict[Site, Value]] = {}

    def try_graft(self, graft: _Graft) -> GraftTrial:
        """Run B with the graft and compare it with A; B as it is must differ from A first."""
        if _still_differs(self._a, self._b, graft) is None:
            why = "but for what it replaces, B equals A as it is"
            return GraftTrial(graft.what, graft.points, 0, None, why, None, graft.stages)
        try:
            values = self._values(graft)
            grafted = self._run_b("B with the graft", values)
        except CannotJudge as error:
            return GraftTrial(graft.what, graft.points, 0, None, str(error), None, graft.stages)
        still = _still_differs(self._a, grafted, graft)
        return GraftTrial(graft.what, graft.points, len(values), still is None, None, still, graft.stages)

    def _run_b(self, label: str, values: dict[Site, Value] | None) -> Side:
        run = self._open_b().record(self._request, self._a.level, values)
        return Side(label, run.require_codes(), run.trace)

    def _values(self, graft: _Graft) -> dict[Site, Value]:
        """A's values for the graft. CannotJudge if A has none."""
        values: dict[Site, Value] = {}
        for point in graft.points:
            if point not in self._captured:
                self._captured[point] = self._open_a().capture(self._request, point, graft.frame)
            taken = self._captured[point]
            values.update(taken if graft.site is None else {s: v for s, v in taken.items() if s == graft.site})
        if not values:
            raise CannotJudge(f"A has no value of {', '.join(graft.points)} there", "record both runs again")
        return values


def _still_differs(a: Side, b: Side, graft: _Graft) -> Divergence | None:
    """Where B differs from A, apart from what the graft replaces.

    Of a graft in code generation only code generation is compared.
    """
    assert a.trace is not None and b.trace is not None, "a graft needs traces"
    found = compare_traces(
        replace(a, trace=_without_replaced(a.trace, graft)), replace(b, trace=_without_replaced(b.trace, graft))
    )
    return found.codegen if _in_codegen(graft) else found.first


def _in_codegen(graft: _Graft) -> bool:
    return not any(point.startswith(("codec.", "decoder.", "packetiser")) for point in graft.points)


def _without_replaced(trace: Trace, graft: _Graft) -> Trace:
    """The trace without the values that the graft makes meaningless: those inside of whole stages, and the scores."""
    draws = ids_alone(trace.draws) if "draw" in graft.points else trace.draws
    codegen, decode = _compared_rows(trace.codegen, graft), _compared_rows(trace.decode, graft)
    return replace(trace, draws=draws, codegen=codegen, decode=decode)


def _compared_rows(prints: Prints, graft: _Graft) -> Prints:
    inside = np.isin(prints.stage, [STAGES.index(stage) for stage in graft.stages])
    grafted = np.array([point in graft.points for point in prints.points], bool)[prints.point]
    replaced = inside & ~grafted
    if graft.past_input:
        replaced |= grafted & prints.is_input & _at_graft(prints, graft)
    return select_rows(prints, ~replaced) if replaced.any() else prints


def _at_graft(prints: Prints, graft: _Graft) -> NDArray[np.bool_]:
    """The rows (N,) at the places where values are replaced."""
    if graft.site is None:
        return np.asarray(prints.frame >= graft.frame)
    return np.asarray((prints.frame == graft.site.frame) & (prints.codebook == graft.site.codebook))
