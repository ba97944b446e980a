"""Is a draw that took another id rounding or more? Its gap's change against the changes that rounding noise makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ttsctl.core.errors import CannotJudge
from ttsctl.core.trace import Draws
from ttsctl.explain.compare_traces import TraceComparison
from ttsctl.explain.draws import DrawPair, gap_changes

DriftKind = Literal["equal", "silent_drift", "near_tie_flip", "real_change", "decode_change"]
# A gap that moves by more than this times the largest measured noise moved by more than rounding. Among thousands of
# changes with the measured spread, some exceed the largest of a few hundred; none reaches twice that.
BEYOND = 2.0
# From the finest to the coarsest: significands of 53, 24, 11 and 8 bits.
PRECISIONS = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Noise:
    """The measured rounding noise: how far gaps move when every module's output moves by its last bit.

    ``changes`` are counted over ``draws`` teacher-forced draws, ``runs`` times, without those whose gap is not finite.
    ``bound`` is the largest of them, ``p50`` and ``p99`` are quantiles, all in logits. A further change of the same
    kind exceeds the bound with probability 1 / (changes + 1). ``precision`` is that of the code generation that was
    jittered.
    """

    bound: float
    p50: float
    p99: float
    changes: int
    draws: int
    runs: int
    precision: str


@dataclass(frozen=True)
class DriftVerdict:
    """Which kind of drift a comparison shows; ``kind`` is null where ``reason`` says why it cannot be told.

    ``gap_change`` is how far the gap between the best ids of both sides moved at the draw that took another id, in
    logits; without ``exact`` it is a lower bound. Null where no draw took another id, or a gap is not known.
    """

    kind: DriftKind | None
    reason: str | None
    gap_change: float | None
    exact: bool | None


def calibrate(force: Callable[[int | None], Draws], seeds: Sequence[int], precision: str) -> Noise:
    """Measure the noise. ``force(None)`` gives the draws as they are, ``force(seed)`` those under last-bit jitter.

    CannotJudge if the draws are not the same ones in each run, and if no gap is finite.
    """
    plain = force(None)
    changes = []
    for seed in seeds:
        jittered = force(seed)
        if not np.array_equal(jittered.frame, plain.frame) or not np.array_equal(jittered.codebook, plain.codebook):
            raise CannotJudge("calibration: teacher-forced runs of the same codes made other draws", "report this")
        changes.append(gap_changes(plain, jittered))
    found = np.concatenate(changes) if changes else np.empty(0)
    found = found[np.isfinite(found)]
    if not len(found):
        raise CannotJudge("calibration: no draw has a finite gap", "more than one id must be left to draw from")
    p50, p99, largest = (float(np.quantile(found, q)) for q in (0.5, 0.99, 1.0))
    return Noise(
        bound=largest,
        p50=p50,
        p99=p99,
        changes=len(found),
        draws=len(plain.id),
        runs=len(seeds),
        precision=precision,
    )


def coarser(a: str, b: str) -> str:
    """Of two dtypes the one with fewer bits of precision."""
    return max(a, b, key=PRECISIONS.index)


def classify_drift(found: TraceComparison, noise: Noise | None, no_noise: str | None) -> DriftVerdict:
    """Classify what a comparison found; ``no_noise`` says why the noise is None."""
    if found.codegen is None:
        return DriftVerdict("equal" if found.decode is None else "decode_change", None, None, None)
    if found.drawn is None:
        return DriftVerdict("silent_drift", None, None, None)
    if found.cut:
        return DriftVerdict("real_change", "one run was cut there, the other goes on", None, None)
    if found.codegen.stage == "draw" and found.codegen.inputs_equal:
        return DriftVerdict("real_change", "the networks gave the same logits: the draw is what differs", None, None)
    change, exact, reason = gap_change(found.draw)
    if change is None or noise is None:
        return DriftVerdict(None, reason or no_noise or "the rounding noise was not measured", change, exact)
    if change > noise.bound:
        return DriftVerdict("real_change", None, change, exact)
    before = found.largest_gap_change
    if before is not None and before > BEYOND * noise.bound:
        reason = f"a gap before it moved by {before:.3g}, more than {BEYOND:g} times the rounding noise"
        return DriftVerdict("real_change", reason, change, exact)
    if not exact:
        return DriftVerdict(None, "B's best id is not among A's best two: how far it came is not known", change, exact)
    return DriftVerdict("near_tie_flip", None, change, exact)


def gap_change(pair: DrawPair | None) -> tuple[float | None, bool | None, str | None]:
    """(change in logits, whether it is exact, reason if it is None) of a draw that took another id.

    A's gap is how far A's best id stands above A's rival, B's gap the same in B. Where B's best two are A's best two
    swapped, the gap moved by exactly the sum of both. Otherwise it moved by at least that sum, because the best id of
    the other run stood no higher than the rival.
    """
    if pair is None or pair.a is None or pair.b is None:
        return None, None, "the draws of both sides are not known"
    if pair.a.gap is None or pair.b.gap is None:
        return None, None, "a gap is not finite: there was no second id to draw"
    change = pair.a.gap + pair.b.gap
    return change, pair.a.best == pair.b.best[::-1], None
