"""Pops of A against pops of B: as they stand, and on the time line corrected for what B lost or gained."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ttsctl.audio.lag.path import MIN_COVERAGE, LagJump, LagPath, find_lag_path
from ttsctl.audio.match_times import TOLERANCE_S, TimeMatching, chance_rate, match_times
from ttsctl.audio.pops.detector import PopReport
from ttsctl.audio.wav import resample_audio
from ttsctl.core.audio import Audio


@dataclass(frozen=True)
class Alignment:
    """a_to_b: share of A's pops that B has within the tolerance, b_to_a the other way; None where a side has none.

    chance, chance_b_to_a: what the two densities alone would give. corrected_*: after the lag correction; None, with
    ``reason``, if the two do not align. matches: (time in A, time in B) of the corrected matching, in s. lag_jumps:
    at ``time_s`` of A (``time_b_s`` of B) B lost (samples < 0) or gained (samples > 0) samples.
    """

    tolerance_ms: float
    a_to_b: float | None
    b_to_a: float | None
    chance: float | None
    chance_b_to_a: float | None
    corrected_a_to_b: float | None
    corrected_b_to_a: float | None
    lag_jumps: tuple[dict[str, float | int], ...]
    alignable: bool
    coverage: float
    initial_lag: int | None
    matches: tuple[tuple[float, float], ...]
    reason: str | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """JSON-ready: lists for tuples."""
        plain = asdict(self)
        return {
            **plain,
            "lag_jumps": list(self.lag_jumps),
            "matches": [list(m) for m in self.matches],
            "notes": list(self.notes),
        }


def align(a: Audio, b: Audio, pops_a: PopReport, pops_b: PopReport, tolerance_s: float = TOLERANCE_S) -> Alignment:
    """Align the pops of two recordings; B is resampled to A's rate for the lag if theirs differ."""
    b_like_a = resample_audio(b, a.sample_rate)
    path = find_lag_path(a.pcm, b_like_a.pcm)
    return align_on(path, a, b_like_a, pops_a, pops_b, tolerance_s)


def align_on(
    path: LagPath, a: Audio, b: Audio, pops_a: PopReport, pops_b: PopReport, tolerance_s: float = TOLERANCE_S
) -> Alignment:
    """``align`` with a lag path that is known, a and b of one rate."""
    times_a, times_b = pops_a.times_s, pops_b.times_s
    raw = match_times(times_a, times_b, tolerance_s)
    corrected: TimeMatching | None = None
    if path.alignable:
        corrected = match_times(path.to_b(np.array(times_a) * a.sample_rate) / a.sample_rate, times_b, tolerance_s)
    reason = None
    if not path.alignable:
        reason = f"not alignable: {path.coverage:.0%} of A is found in B, {MIN_COVERAGE:.0%} is needed"
    elif not times_a or not times_b:
        reason = "no pops in " + " and ".join(name for name, times in (("A", times_a), ("B", times_b)) if not times)
    return Alignment(
        tolerance_ms=tolerance_s * 1000,
        a_to_b=raw.a_to_b,
        b_to_a=raw.b_to_a,
        chance=chance_rate(len(times_b), b.duration_s, tolerance_s),
        chance_b_to_a=chance_rate(len(times_a), a.duration_s, tolerance_s),
        corrected_a_to_b=corrected.a_to_b if corrected else None,
        corrected_b_to_a=corrected.b_to_a if corrected else None,
        lag_jumps=tuple(_jump(jump, path, a.sample_rate) for jump in path.jumps) if path.alignable else (),
        alignable=path.alignable,
        coverage=round(path.coverage, 4),
        initial_lag=path.initial_lag if path.alignable else None,
        matches=tuple((times_a[i], times_b[j]) for i, j in corrected.pairs) if corrected else (),
        reason=reason,
        notes=b.notes,
    )


def _jump(jump: LagJump, path: LagPath, sample_rate: int) -> dict[str, float | int]:
    lag = sum(other.samples for other in path.jumps if other.sample < jump.sample)
    return {
        "time_s": round(jump.sample / sample_rate, 6),
        "samples": jump.samples,
        "time_b_s": round((jump.sample + lag) / sample_rate, 6),
    }
