"""Two recorded runs to their first divergence: code generation first, then decoding as far as the codes are equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.core.trace import Draws, Prints, Trace, TraceLevel, no_prints
from ttsctl.explain.alignment import Alignment, align, named, within
from ttsctl.explain.divergence import Divergence, from_prints, stage_label
from ttsctl.explain.draws import (
    DrawDifference,
    DrawPair,
    first_difference,
    first_other_code,
    first_other_id,
    gap_changes,
    pair_at,
)

LEVELS: tuple[TraceLevel, ...] = ("none", "codes", "stages", "modules")
NOT_RECORDED = "what computed them was not recorded (record.trace = 'modules' does)"
_RERECORD = "record the run again"
_DRAW_CULPRIT = {
    "logits": "the processing of the logits (penalty, temperature, top_k, top_p, reserved ids): it was fed the same",
    "scores": "what the draw weighs, processing or noise: it was fed the same logits",
    "noise": "the draw's noise (seed, state of the generator or temperature): its logits were equal",
    "policy": "only one of the runs drew with noise (sampling.policy or predictor_policy)",
    "id": "it was fed the same logits: it is the culprit",
    "cap_a": "A was cut there (sampling.max_new_tokens), B goes on",
    "cap_b": "B was cut there (sampling.max_new_tokens), A goes on",
}


@dataclass(frozen=True, eq=False)
class Side:
    """One run to be explained: codes (T, Q) int64 and its trace, if it kept one."""

    label: str
    codes: CodeArray
    trace: Trace | None

    @property
    def level(self) -> TraceLevel:
        return self.trace.level if self.trace else "none"


@dataclass(frozen=True)
class Comparison:
    """What two runs differ in.

    ``level`` is the lower of their trace levels, which was compared. ``codegen`` is the first divergence of code
    generation, ``decode`` that of decoding and packetising over frames of equal codes: neither follows from the
    other. ``drawn`` is the first draw that took another id; ``draw`` both sides of it, or, codes being equal, of the
    draw that ``codegen`` leads to. ``largest_gap_change`` is over the draws before ``drawn``, in logits; null
    where ``gap_reason`` says why.
    """

    level: TraceLevel
    codes_equal: bool
    codegen: Divergence | None
    decode: Divergence | None
    drawn: tuple[int, int] | None
    draw: DrawPair | None
    largest_gap_change: float | None
    gap_reason: str | None
    values_compared: int
    values_unequal: int
    notes: tuple[str, ...]

    @property
    def first(self) -> Divergence | None:
        return self.codegen or self.decode

    @property
    def cut(self) -> bool:
        """Whether the first draw that differs is one that only one run came to: the other one was cut before."""
        return self.draw is not None and None in (self.draw.a, self.draw.b)


def compare(a: Side, b: Side) -> Comparison:
    """Explain B against A. InputError for other numbers of codebooks, or a trace that is not of its codes."""
    if a.codes.shape[1] != b.codes.shape[1]:
        raise InputError(
            f"{b.label}: expected {a.codes.shape[1]} codebooks as {a.label} has, got {b.codes.shape[1]}",
            "compare runs of one model",
        )
    for side in (a, b):
        _check(side)
    level = min(a.level, b.level, key=LEVELS.index)
    prints = _common_points(a, b)
    drawn, fed = _draw_differences(a, b)
    codegen = _Chain(prints, "codegen", None if drawn is None else drawn.frame + 1)
    decode = _Chain(prints, "decode", _equal_frames(a.codes, b.codes))
    first = _codegen_divergence(codegen, fed, level)
    largest, reason = _largest_gap_change(a, b, drawn)
    return Comparison(
        level=level,
        codes_equal=np.array_equal(a.codes, b.codes),
        codegen=first,
        decode=from_prints(decode.a, decode.found, level),
        drawn=None if drawn is None else (drawn.frame, drawn.codebook),
        draw=_draw_concerned(a, b, drawn, first),
        largest_gap_change=largest,
        gap_reason=reason,
        values_compared=codegen.found.compared + decode.found.compared,
        values_unequal=codegen.found.unequal + decode.found.unequal,
        notes=_notes(a, b, level, prints),
    )


def _check(side: Side) -> None:
    """The draws of a trace are the codes beside it."""
    if side.trace is None:
        return
    draws, codes = side.trace.draws, side.codes.reshape(-1)
    # One more draw ends a run: the end token, or the first that the cap kept out.
    if len(draws.id) not in (len(codes), len(codes) + 1):
        raise InputError(
            f"{side.label}: its trace is of other codes: {len(draws.id)} draws for {len(codes)} ids", _RERECORD
        )
    places = np.divmod(np.arange(len(draws.id)), side.codes.shape[1])
    if not all(np.array_equal(*pair) for pair in zip(places, (draws.frame, draws.codebook), strict=True)):
        raise InputError(f"{side.label}: its trace has draws out of order", _RERECORD)
    ids = draws.id[: len(codes)]
    found = np.flatnonzero(ids != codes)
    if len(found):
        frame, codebook = divmod(int(found[0]), side.codes.shape[1])
        raise InputError(
            f"{side.label}: its trace is of other codes: at frame {frame}, codebook {codebook} id {ids[found[0]]} was "
            f"drawn, but the codes have {codes[found[0]]}",
            f"{_RERECORD}; if one run made both, its ids change after they are drawn",
        )


def _common_points(a: Side, b: Side) -> dict[str, tuple[Prints, Prints]]:
    """The prints of both chains; at different levels, those of the points that the lower level knows."""
    found = {}
    for chain in ("codegen", "decode"):
        left, right = _prints(a, chain), _prints(b, chain)
        if LEVELS.index(a.level) > LEVELS.index(b.level):
            left = named(left, right.points)
        elif LEVELS.index(b.level) > LEVELS.index(a.level):
            right = named(right, left.points)
        found[chain] = (left, right)
    return found


def _prints(side: Side, chain: str) -> Prints:
    if side.trace is None:
        return no_prints()
    prints: Prints = getattr(side.trace, chain)
    return prints


class _Chain:
    """One of the two chains, cut to the frames in which a difference would be a first one."""

    def __init__(self, prints: dict[str, tuple[Prints, Prints]], name: str, frames: int | None) -> None:
        a, b = prints[name]
        if frames is not None:
            a, b = within(a, frames), within(b, frames)
        self.a = a
        self.found: Alignment = align(a, b)


def _draw_differences(a: Side, b: Side) -> tuple[DrawDifference | None, DrawDifference | None]:
    """The first draw that took another id, and the first in which anything differs, where draws were kept."""
    if a.trace is None or b.trace is None:
        drawn = first_other_code(a.codes, b.codes)
        return drawn, drawn
    return first_other_id(a.trace.draws, b.trace.draws), first_difference(a.trace.draws, b.trace.draws)


def _equal_frames(a: CodeArray, b: CodeArray) -> int | None:
    """How many frames have equal codes up to the first that has not; None if all."""
    found = first_other_code(a, b)
    return None if found is None else found.frame


def _codegen_divergence(chain: _Chain, fed: DrawDifference | None, level: TraceLevel) -> Divergence | None:
    """The earlier of the first unequal value and the first draw that differs; what feeds a draw comes before it."""
    value = from_prints(chain.a, chain.found, level)
    if value is not None and value.stage != "draw":
        place = (value.frame, value.codebook or 0)
        # What only one run computed follows from the draw at which the other one ended.
        unequal = chain.found.first is not None
        if fed is None or (unequal and place <= (fed.frame, fed.codebook)):
            return value
    return value if fed is None else _at_draw(fed, level)


def _at_draw(found: DrawDifference, level: TraceLevel) -> Divergence:
    upstream = level == "codes" and found.what == "logits"
    stage = ("predictor" if found.codebook else "talker") if upstream else "draw"
    culprit, reason = _draw_culprit(found, level)
    return Divergence(
        stage=stage,
        label=stage_label(stage, found.codebook),
        frame=found.frame,
        codebook=found.codebook,
        point=f"{stage}.logits" if upstream else "draw",
        is_input=False,
        call=0,
        inputs_equal=None if reason else True,
        reason=reason,
        culprit=culprit,
    )


def _draw_culprit(found: DrawDifference, level: TraceLevel) -> tuple[str, str | None]:
    """What of a draw differs, in words, and why it is not known whether it was fed the same, if it is not."""
    if level == "none":
        culprit = "only one of the runs goes on" if found.what == "end" else "the ids differ"
        return culprit, "not both runs kept their draws: only the codes are known"
    culprit = _DRAW_CULPRIT[found.what]
    if level != "codes" or found.what in ("cap_a", "cap_b"):
        return culprit, None
    if found.what == "logits":
        reason = f"at level 'codes' the first that is known to differ are the logits of a draw; {NOT_RECORDED}"
        return f"its logits differ, as computed or as processed; {NOT_RECORDED}", reason
    if found.what == "scores":
        reason = f"at level 'codes' it may be the logits or the noise of the draw; {NOT_RECORDED}"
        return f"its scores differ, by logits or by noise; {NOT_RECORDED}", reason
    return f"{culprit} (as far as its best two tell)", "at level 'codes' only the best two logits of a draw are known"


def _draw_concerned(a: Side, b: Side, drawn: DrawDifference | None, codegen: Divergence | None) -> DrawPair | None:
    """Both sides of the first draw with another id, else of the draw that the first difference leads to."""
    place = (drawn.frame, drawn.codebook) if drawn else (codegen.frame, codegen.codebook or 0) if codegen else None
    if place is None or a.trace is None or b.trace is None:
        return None
    return pair_at(a.trace.draws, b.trace.draws, *place)


def _largest_gap_change(a: Side, b: Side, drawn: DrawDifference | None) -> tuple[float | None, str | None]:
    if a.trace is None or b.trace is None:
        return None, "not both runs kept their draws"
    rows = min(len(a.trace.draws.id), len(b.trace.draws.id)) if drawn is None else drawn.row
    changes = gap_changes(_head(a.trace.draws, rows), _head(b.trace.draws, rows))
    if not np.isfinite(changes).any():
        return None, "no draw of equal history before the first that took another id"
    return float(np.nanmax(changes)), None


def _head(draws: Draws, rows: int) -> Draws:
    return Draws(**{name: column[:rows] for name, column in vars(draws).items()})


def _notes(a: Side, b: Side, level: TraceLevel, prints: dict[str, tuple[Prints, Prints]]) -> tuple[str, ...]:
    notes = []
    if a.level != b.level:
        notes.append(f"A was recorded at level {a.level}, B at {b.level}: compared at {level}")
    # At different levels one of them has more points, which says nothing.
    for left, right in prints.values() if a.level == b.level else ():
        for side, own, other in ((a, left, right), (b, right, left)):
            alone = [name for name in own.points if name not in set(other.points)]
            if alone:
                more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
                notes.append(f"only {side.label} has values of {', '.join(alone[:3])}{more}")
    return tuple(notes)
