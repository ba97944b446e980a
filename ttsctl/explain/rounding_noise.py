"""Is a flipped draw rounding or more? The change of its gap against the changes that rounding noise makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ttsctl.core.errors import CannotJudge
from ttsctl.core.trace import Draws
from ttsctl.explain.compare_traces import Comparison
from ttsctl.explain.draws import DrawPair, gap_changes

Kind = Literal["equal", "silent_drift", "near_tie_flip", "real_change", "decode_change"]
# How far beyond the largest of the noise a gap must move to be no rounding. Among thousands of changes that spread like
# those measured, some pass the largest of a few hundred; none comes to twice that.
BEYOND = 2.0
PRECISION = ("float64", "float32", "float16", "bfloat16")  # finest first: units in the last place of 53, 24, 11, 8 bits


@dataclass(frozen=True)
class Noise:
    """The measured rounding noise: how far gaps move when every module's output moves by its last bit.

    ``bound`` is the largest of ``changes`` changes (``draws`` teacher-forced draws, ``runs`` times, less those whose
    gap is not finite), in logits: a change of the same kind exceeds it with probability 1 / (changes + 1).
    ``p50`` and ``p99`` are quantiles of the same. ``precision`` is that of the jittered code generation.
    """

    bound: float
    p50: float
    p99: float
    changes: int
    draws: int
    runs: int
    precision: str


@dataclass(frozen=True)
class Verdict:
    """What a comparison comes to; ``kind`` is null where ``reason`` says why it cannot be told.

    ``gap_change`` is how far the gap of the two sides' best ids moved at the draw that took another id, in logits; if
    not ``exact``, it moved at least that far. Null where no draw did, or a gap is not known.
    """

    kind: Kind | None
    reason: str | None
    gap_change: float | None
    exact: bool | None


def calibrate(force: Callable[[int | None], Draws], seeds: Sequence[int], precision: str) -> Noise:
    """Measure the noise: ``force(None)`` are the draws as they are, ``force(seed)`` those under last-bit jitter.

    CannotJudge if the draws do not line up or no gap is finite.
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
    return Noise(largest, p50, p99, len(found), len(plain.id), len(seeds), precision)


def coarser(a: str, b: str) -> str:
    """Of two dtypes the one with fewer bits of precision."""
    return max(a, b, key=PRECISION.index)


def judge(found: Comparison, noise: Noise | None, no_noise: str | None) -> Verdict:
    """The verdict on a comparison; ``no_noise`` says why there is no calibration."""
    if found.codegen is None:
        return Verdict("equal" if found.decode is None else "decode_change", None, None, None)
    if found.drawn is None:
        return Verdict("silent_drift", None, None, None)
    if found.cut:
        return Verdict("real_change", "one run was cut there, the other goes on", None, None)
    if found.codegen.stage == "draw" and found.codegen.inputs_equal:
        return Verdict("real_change", "the networks gave the same logits: the draw is what differs", None, None)
    change, exact, reason = gap_change(found.draw)
    if change is None or noise is None:
        return Verdict(None, reason or no_noise or "the rounding noise was not measured", change, exact)
    if change > noise.bound:
        return Verdict("real_change", None, change, exact)
    before = found.largest_gap_change
    if before is not None and before > BEYOND * noise.bound:
        reason = f"a gap before it moved by {before:.3g}, more than {BEYOND:g} times the rounding noise"
        return Verdict("real_change", reason, change, exact)
    if not exact:
        return Verdict(None, "B's best id is not among A's best two: how far it came is not known", change, exact)
    return Verdict("near_tie_flip", None, change, exact)


def gap_change(pair: DrawPair | None) -> tuple[float | None, bool | None, str | None]:
    """(change in logits, whether it is exact, reason if null) of a draw that took another id.

    A's gap is how far A's best stands over its rival, B's gap how far B's best stands over its own. Where the best two
    are the same ids, swapped, the gap moved by the sum of both; else by that at least, for the other one's best stood
    no higher than the rival.
    """
    if pair is None or pair.a is None or pair.b is None:
        return None, None, "the draws of both sides are not known"
    if pair.a.gap is None or pair.b.gap is None:
        return None, None, "a gap is not finite: there was no second id to draw"
    change = pair.a.gap + pair.b.gap
    return change, pair.a.best == pair.b.best[::-1], None
