"""The pops of one recording or of two, and how those of A and B align: as they stand, and after the lag correction.

The lag correction moves A's times by the samples that B lost or gained before them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ttsctl.audio.lag.path import MIN_COVERAGE, LagJump, LagPath, find_lag_path
from ttsctl.audio.match_times import TOLERANCE_S, TimeMatching, chance_rate, match_times
from ttsctl.audio.metrics import pop_click_score, spike_times
from ttsctl.audio.pops.detector import THRESHOLD, Pop, PopReport, SeamGrid, detect_pops
from ttsctl.audio.wav import resample_audio
from ttsctl.core.audio import Audio

# The descriptions in ``metadata`` are those of summary.json's schema.


@dataclass(frozen=True)
class Recording:
    """One audio file, the plain measures of it and its pops; times in s from its start.

    ``pops_per_minute`` is None for audio without samples. ``notes`` say what reading and searching the audio changed.
    """

    path: str
    sample_rate: int
    duration_s: float
    pop_click_score: float | None = field(metadata={"description": "null for audio of fewer than two 20-ms frames"})
    pops_per_minute: float | None
    pops_s: tuple[float, ...]
    pops: tuple[Pop, ...]
    seams: tuple[SeamGrid, ...]
    spikes_s: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TimedLagJump:
    """At ``time_s`` of A, which is ``time_b_s`` of B, B lost (``samples`` < 0) or gained (> 0) samples."""

    time_s: float
    samples: int
    time_b_s: float


@dataclass(frozen=True)
class PopAlignment:
    """Pops of A against pops of B.

    a_to_b: share of A's pops that B has within the tolerance; b_to_a: share of B's pops that A has. chance and
    chance_b_to_a: the shares that the numbers of pops alone would give. corrected_*: the shares after the lag
    correction, None, with ``reason``, if the recordings do not align. matches: (time in A, time in B) of each matched
    pair after the correction, in s. coverage: the share of A's audio that B repeats. initial_lag: samples that B starts
    later.
    """

    tolerance_ms: float
    a_to_b: float | None = field(metadata={"description": "null if A has no pops"})
    b_to_a: float | None = field(metadata={"description": "null if B has no pops"})
    chance: float | None
    chance_b_to_a: float | None
    corrected_a_to_b: float | None = field(
        metadata={"description": "null with a reason if the two do not align or A has no pops"}
    )
    corrected_b_to_a: float | None
    lag_jumps: tuple[TimedLagJump, ...]
    alignable: bool
    coverage: float
    initial_lag: int | None
    matches: tuple[tuple[float, ...], ...]
    reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PopComparison:
    """The pops of recording A and, if there is one, of recording B, with their alignment; None without B."""

    a: Recording
    b: Recording | None
    alignment: PopAlignment | None

    @property
    def recordings(self) -> tuple[tuple[str, Recording], ...]:
        """("A", a) and, if there is one, ("B", b)."""
        return (("A", self.a),) if self.b is None else (("A", self.a), ("B", self.b))


def compare_pops(
    a: tuple[Path | str, Audio],
    b: tuple[Path | str, Audio] | None = None,
    tolerance_s: float = TOLERANCE_S,
    threshold: float = THRESHOLD,
) -> PopComparison:
    """Find the pops of A and, if it is given, of B, each (path, audio), and align them.

    ``tolerance_s``: how far apart two pops may be to match. InputError for NaN or infinite samples.
    """
    pops_a = detect_pops(a[1].pcm, a[1].sample_rate, threshold)
    recording_a = describe_recording(a[0], a[1], pops_a)
    if b is None:
        return PopComparison(recording_a, None, None)
    pops_b = detect_pops(b[1].pcm, b[1].sample_rate, threshold)
    alignment = align_pops(a[1], b[1], pops_a, pops_b, tolerance_s)
    return PopComparison(recording_a, describe_recording(b[0], b[1], pops_b), alignment)


def describe_recording(path: Path | str, audio: Audio, found: PopReport) -> Recording:
    """One recording with the pops that were found in it."""
    return Recording(
        path=str(path),
        sample_rate=audio.sample_rate,
        duration_s=audio.duration_s,
        pop_click_score=pop_click_score(audio.pcm, audio.sample_rate),
        pops_per_minute=60 * len(found.pops) / audio.duration_s if audio.duration_s else None,
        pops_s=tuple(found.times_s),
        pops=found.pops,
        seams=found.seams,
        spikes_s=tuple(spike_times(audio.pcm, audio.sample_rate)),
        notes=(*audio.notes, *found.notes),
    )


def align_pops(
    a: Audio, b: Audio, pops_a: PopReport, pops_b: PopReport, tolerance_s: float = TOLERANCE_S
) -> PopAlignment:
    """Align the pops of two recordings; the lag is searched at A's rate, to which B is resampled if it has another."""
    b_like_a = resample_audio(b, a.sample_rate)
    path = find_lag_path(a.pcm, b_like_a.pcm)
    return align_pops_on_path(path, a, b_like_a, pops_a, pops_b, tolerance_s)


def align_pops_on_path(
    path: LagPath, a: Audio, b: Audio, pops_a: PopReport, pops_b: PopReport, tolerance_s: float = TOLERANCE_S
) -> PopAlignment:
    """Align the pops of two recordings of one rate whose lag path is known."""
    times_a, times_b = pops_a.times_s, pops_b.times_s
    raw = match_times(times_a, times_b, tolerance_s)
    corrected: TimeMatching | None = None
    if path.alignable:
        corrected = match_times(path.to_b(np.array(times_a) * a.sample_rate) / a.sample_rate, times_b, tolerance_s)
    return PopAlignment(
        tolerance_ms=tolerance_s * 1000,
        a_to_b=raw.a_to_b,
        b_to_a=raw.b_to_a,
        chance=chance_rate(len(times_b), b.duration_s, tolerance_s),
        chance_b_to_a=chance_rate(len(times_a), a.duration_s, tolerance_s),
        corrected_a_to_b=corrected.a_to_b if corrected else None,
        corrected_b_to_a=corrected.b_to_a if corrected else None,
        lag_jumps=tuple(_timed(jump, path, a.sample_rate) for jump in path.jumps) if path.alignable else (),
        alignable=path.alignable,
        coverage=round(path.coverage, 4),
        initial_lag=path.initial_lag if path.alignable else None,
        matches=tuple((times_a[i], times_b[j]) for i, j in corrected.pairs) if corrected else (),
        reason=_why_incomplete(path, times_a, times_b),
        notes=b.notes,
    )


def _why_incomplete(path: LagPath, times_a: list[float], times_b: list[float]) -> str | None:
    """Why a corrected share is missing; None if both are there."""
    if not path.alignable:
        return f"not alignable: {path.coverage:.0%} of A is found in B, {MIN_COVERAGE:.0%} is needed"
    without = [name for name, times in (("A", times_a), ("B", times_b)) if not times]
    return f"no pops in {' and '.join(without)}" if without else None


def _timed(jump: LagJump, path: LagPath, sample_rate: int) -> TimedLagJump:
    lag = sum(other.samples for other in path.jumps if other.sample < jump.sample)
    return TimedLagJump(
        time_s=round(jump.sample / sample_rate, 6),
        samples=jump.samples,
        time_b_s=round((jump.sample + lag) / sample_rate, 6),
    )


def label_text(pops: Iterable[Pop]) -> str:
    """Pops as Audacity labels: one ``start<TAB>end<TAB>label`` a line, times in s; "" for no pops."""
    return "".join(
        f"{pop.time_s:.6f}\t{pop.time_s:.6f}\t{pop.kind or 'pop'} {pop.strength_db:+.1f} dB\n" for pop in pops
    )
