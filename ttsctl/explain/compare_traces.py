"""Two recorded runs to their first divergence: code generation first, then decoding as far as the codes are equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.core.trace import STAGES, Prints, Trace, TraceLevel, no_prints
from ttsctl.explain.alignment import PrintAlignment, align_prints, select_frames, select_points, select_rows
from ttsctl.explain.divergence import Divergence, divergence_at_draw, divergence_of_values
from ttsctl.explain.draws import (
    DrawDifference,
    DrawPair,
    first_difference,
    first_draws,
    first_other_code,
    first_other_id,
    gap_changes,
    pair_at,
)

LEVELS: tuple[TraceLevel, ...] = ("none", "codes", "stages", "modules")
# A cloned voice's reference goes through two encoders side by side; the trace has the speaker encoder's stages first.
_SPEAKER_BRANCH = ("resampling", "mel", "speaker_encoder")
_CODEC_PCM = "reference.codec_pcm"
_RERECORD = "record the run again"


@dataclass(frozen=True, eq=False)
class Side:
    """One run to be explained: codes (T, Q) int64, its trace if one was kept, and what the engine noted in it."""

    label: str
    codes: CodeArray
    trace: Trace | None
    notes: tuple[str, ...] = ()

    @property
    def level(self) -> TraceLevel:
        return self.trace.level if self.trace else "none"

    @property
    def codegen(self) -> Prints:
        """The fingerprints of code generation; without a trace, none."""
        return self.trace.codegen if self.trace else no_prints()

    @property
    def decode(self) -> Prints:
        """The fingerprints of decoding and packetising; without a trace, none."""
        return self.trace.decode if self.trace else no_prints()


@dataclass(frozen=True)
class TraceComparison:
    """What differs between two runs.

    ``level``, at which they were compared, is the lower of their trace levels. ``codegen`` is the first divergence of
    code generation. ``decode`` is that of decoding and packetising over the frames of equal codes, so neither follows
    from the other. ``drawn`` is the (frame, codebook) of the first draw that took another id. ``draw`` is both sides
    of that draw or, if all ids are equal, of the draw that ``codegen`` leads to. ``largest_gap_change`` is over the
    draws before ``drawn``, in logits; null where ``gap_reason`` says why.
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
        """Whether one run was cut before the first draw that differs, so that only the other run came to that draw."""
        return self.draw is not None and None in (self.draw.a, self.draw.b)


@dataclass(frozen=True, eq=False)
class _Aligned:
    """A's prints of code generation or of decoding, and their alignment with B's."""

    prints: Prints
    alignment: PrintAlignment


def compare_traces(a: Side, b: Side) -> TraceComparison:
    """Compare B with A. InputError for different numbers of codebooks, and for a trace that does not fit its codes."""
    if a.codes.shape[1] != b.codes.shape[1]:
        raise InputError(
            f"{b.label}: expected {a.codes.shape[1]} codebooks as {a.label} has, got {b.codes.shape[1]}",
            "compare runs of one model",
        )
    for side in (a, b):
        _check_trace(side)
    level = min(a.level, b.level, key=LEVELS.index)
    drawn, fed = _draw_differences(a, b)
    # Later frames differ because of the codes before them: what differs there is no first difference.
    codegen = _aligned(a, b, a.codegen, b.codegen, None if drawn is None else drawn.frame + 1)
    decode = _aligned(a, b, a.decode, b.decode, _equal_frames(a.codes, b.codes))
    first = _codegen_divergence(codegen, fed, level)
    largest, reason = _largest_gap_change(a, b, drawn)
    return TraceComparison(
        level=level,
        codes_equal=np.array_equal(a.codes, b.codes),
        codegen=first,
        decode=divergence_of_values(decode.prints, decode.alignment, level),
        drawn=None if drawn is None else (drawn.frame, drawn.codebook),
        draw=_draw_concerned(a, b, drawn, first),
        largest_gap_change=largest,
        gap_reason=reason,
        values_compared=codegen.alignment.compared + decode.alignment.compared,
        values_unequal=codegen.alignment.unequal + decode.alignment.unequal,
        notes=(*_notes(a, b, level), *_other_branch(a, b, first, level)),
    )


def _check_trace(side: Side) -> None:
    """InputError unless the draws of the trace are the codes beside it."""
    if side.trace is None:
        return
    draws, codes = side.trace.draws, side.codes.reshape(-1)
    # A run ends with one more draw: the end token, or the first id that the cap kept out.
    if len(draws.id) not in (len(codes), len(codes) + 1):
        raise InputError(
            f"{side.label}: its trace is of other codes: {len(draws.id)} draws for {len(codes)} ids", _RERECORD
        )
    places = np.divmod(np.arange(len(draws.id)), side.codes.shape[1])
    if not all(np.array_equal(*pair) for pair in zip(places, (draws.frame, draws.codebook), strict=True)):
        raise InputError(f"{side.label}: its trace has draws out of order", _RERECORD)
    ids = draws.id[: len(codes)]
    other = np.flatnonzero(ids != codes)
    if len(other):
        frame, codebook = divmod(int(other[0]), side.codes.shape[1])
        raise InputError(
            f"{side.label}: its trace is of other codes: at frame {frame}, codebook {codebook} id {ids[other[0]]} was "
            f"drawn, but the codes have {codes[other[0]]}",
            f"{_RERECORD}; if one run made both, its ids change after they are drawn",
        )


def _aligned(a: Side, b: Side, prints_a: Prints, prints_b: Prints, frames: int | None) -> _Aligned:
    """Align prints of A and B: their first ``frames`` frames (None: all), at the points that the lower level keeps."""
    if LEVELS.index(a.level) > LEVELS.index(b.level):
        prints_a = select_points(prints_a, prints_b.points)
    elif LEVELS.index(b.level) > LEVELS.index(a.level):
        prints_b = select_points(prints_b, prints_a.points)
    if frames is not None:
        prints_a, prints_b = select_frames(prints_a, frames), select_frames(prints_b, frames)
    return _Aligned(prints_a, align_prints(prints_a, prints_b))


def _draw_differences(a: Side, b: Side) -> tuple[DrawDifference | None, DrawDifference | None]:
    """(the first draw that took another id, the first draw of which anything that was kept differs)."""
    if a.trace is None or b.trace is None:
        drawn = first_other_code(a.codes, b.codes)
        return drawn, drawn
    return first_other_id(a.trace.draws, b.trace.draws), first_difference(a.trace.draws, b.trace.draws)


def _equal_frames(a: CodeArray, b: CodeArray) -> int | None:
    """How many frames have equal codes before the first that differs; None if all are equal."""
    other = first_other_code(a, b)
    return None if other is None else other.frame


def _codegen_divergence(codegen: _Aligned, fed: DrawDifference | None, level: TraceLevel) -> Divergence | None:
    """The first unequal value, or the first draw that differs: the earlier one. A draw comes after what feeds it."""
    value = divergence_of_values(codegen.prints, codegen.alignment, level)
    if value is not None and value.stage != "draw":
        place = (value.frame, value.codebook or 0)
        # A value that only one run has follows from the draw at which the other run ended.
        unequal = codegen.alignment.first is not None
        if fed is None or (unequal and place <= (fed.frame, fed.codebook)):
            return value
    return value if fed is None else divergence_at_draw(fed, level)


def _draw_concerned(a: Side, b: Side, drawn: DrawDifference | None, codegen: Divergence | None) -> DrawPair | None:
    """Both sides of the first draw with another id, else of the draw that the first difference leads to."""
    place = (drawn.frame, drawn.codebook) if drawn else (codegen.frame, codegen.codebook or 0) if codegen else None
    if place is None or a.trace is None or b.trace is None:
        return None
    return pair_at(a.trace.draws, b.trace.draws, *place)


def _largest_gap_change(a: Side, b: Side, drawn: DrawDifference | None) -> tuple[float | None, str | None]:
    """(the largest change of a gap before ``drawn``, in logits; why it is None)."""
    if a.trace is None or b.trace is None:
        return None, "not both runs kept their draws"
    rows = min(len(a.trace.draws.id), len(b.trace.draws.id)) if drawn is None else drawn.row
    changes = gap_changes(first_draws(a.trace.draws, rows), first_draws(b.trace.draws, rows))
    if not np.isfinite(changes).any():
        return None, "no draw of equal history before the first that took another id"
    return float(np.nanmax(changes)), None


def _other_branch(a: Side, b: Side, first: Divergence | None, level: TraceLevel) -> list[str]:
    """A note where the codec encoder differs on its own, beside a first difference in the speaker encoder's branch.

    The two branches follow from one recording and not from each other, so neither explains the other.
    """
    if first is None or first.stage not in _SPEAKER_BRANCH or first.point == _CODEC_PCM:
        return []
    own, other = (select_rows(p, _in_codec_branch(p)) for p in (a.codegen, b.codegen))
    found = divergence_of_values(own, align_prints(own, other), level)
    return [] if found is None else [f"the codec encoder's branch differs on its own: {found.line}"]


def _in_codec_branch(prints: Prints) -> NDArray[np.bool_]:
    """The rows (N,) of what the codec encoder takes and computes."""
    points = np.array([point == _CODEC_PCM for point in prints.points], bool)
    inside = np.asarray(prints.stage == STAGES.index("codec_encoder"))
    return inside | points[prints.point] if len(points) else inside


def _notes(a: Side, b: Side, level: TraceLevel) -> tuple[str, ...]:
    if a.level != b.level:
        # One of the levels keeps more points: that the other run has no values of them tells nothing.
        return (f"A was recorded at level {a.level}, B at {b.level}: compared at {level}",)
    notes = []
    for left, right in ((a.codegen, b.codegen), (a.decode, b.decode)):
        for side, own, other in ((a, left, right), (b, right, left)):
            alone = [name for name in own.points if name not in set(other.points)]
            if alone:
                more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
                notes.append(f"only {side.label} has values of {', '.join(alone[:3])}{more}")
    return tuple(notes)
