"""The pops of one recording or of two, and how those of A and B align: as they stand, and after the lag correction.

The lag correction moves A's times by the samples that B lost or gained before them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from ttsctl.audio.lag.path import MIN_COVERAGE, LagJump, LagPath, find_lag_path
from ttsctl.audio.match_times import TOLERANCE_S, TimeMatching, chance_rate, match_times
from ttsctl.audio.overview import Overview, overview_of
from ttsctl.audio.pops.channels import detect_pops_by_channel
from ttsctl.audio.pops.detector import THRESHOLD, UNCLEAR, PeriodicGrid, Pop, PopReport
from ttsctl.audio.sound import Sound, view_of
from ttsctl.audio.wav import resampled

# The descriptions in ``metadata`` are those of summary.json's schema.


@dataclass(frozen=True)
class Recording:
    """One audio file, the plain measures of it and its pops; times in s from its start.

    Each channel is searched by itself; ``pop_click_score`` is that of the channel with the largest, and ``spikes_s``
    are the largest steps of any channel. ``pops_per_minute`` is None for audio without samples. ``notes`` say what
    reading and searching the audio changed.
    """

    path: str
    sample_rate: int
    duration_s: float
    channels: int
    pop_click_score: float | None = field(metadata={"description": "null for audio of fewer than two 20-ms frames"})
    pops_per_minute: float | None
    pops_s: tuple[float, ...]
    pops: tuple[Pop, ...]
    grids: tuple[PeriodicGrid, ...]
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


@dataclass(frozen=True, eq=False)
class PopSearch:
    """A sound that was searched: what was measured while it was read, and its pops."""

    sound: Sound
    overview: Overview
    pops: PopReport

    @property
    def recording(self) -> Recording:
        """The recording as it stands in a summary."""
        sound, overview, pops = self.sound, self.overview, self.pops.pops
        return Recording(
            path=sound.name,
            sample_rate=sound.sample_rate,
            duration_s=sound.duration_s,
            channels=sound.channels,
            pop_click_score=overview.pop_click_score,
            pops_per_minute=60 * len(pops) / sound.duration_s if sound.duration_s else None,
            pops_s=tuple(pop.time_s for pop in pops),
            pops=pops,
            grids=self.pops.grids,
            spikes_s=overview.spikes_s,
            notes=(*sound.notes, *_channel_notes(overview), *self.pops.notes),
        )


def search_pops(sound: Sound, overview: Overview | None = None, threshold: float = THRESHOLD) -> PopSearch:
    """Find the pops of all channels of a sound; InputError for samples that are NaN or infinite.

    ``overview``: what ``overview_of`` gave, if it is known.
    """
    overview = overview or overview_of(sound)
    return PopSearch(sound, overview, detect_pops_by_channel(sound, overview.equal_to, threshold))


def _channel_notes(overview: Overview) -> tuple[str, ...]:
    several = len(overview.equal_to)
    if several == 1:
        return ()
    if set(overview.equal_to) == {1}:
        return (f"{several} equal channels, searched as one",)
    return (f"{several} channels, each searched by itself",)


def compare_pops(a: PopSearch, b: PopSearch | None = None, tolerance_s: float = TOLERANCE_S) -> PopComparison:
    """The pops of A and, if it is given, of B, and how they align.

    ``tolerance_s``: how far apart two pops may be to match.
    """
    if b is None:
        return PopComparison(a.recording, None, None)
    return PopComparison(a.recording, b.recording, align_pops(a, b, tolerance_s))


def align_pops(a: PopSearch, b: PopSearch, tolerance_s: float = TOLERANCE_S) -> PopAlignment:
    """Align the pops of two recordings along their lag path.

    The lag is searched at A's rate, to which B is resampled if it has another, in one signal of each
    (``Overview.one_signal``).
    """
    rate = a.sound.sample_rate
    path = find_lag_path(
        view_of(a.overview.one_signal(a.sound)), view_of(resampled(b.overview.one_signal(b.sound), rate))
    )
    notes = [f"{name}: {note}" for name, side in (("A", a), ("B", b)) if (note := side.overview.why_signal(side.sound))]
    if b.sound.sample_rate != rate:
        notes.append(f"B resampled from {b.sound.sample_rate} to {rate} Hz")
    durations = (a.sound.duration_s, b.sound.duration_s)
    return align_pops_on_path(path, rate, durations, a.pops, b.pops, tolerance_s, tuple(notes))


def align_pops_on_path(
    path: LagPath,
    sample_rate: int,
    durations_s: tuple[float, float],
    pops_a: PopReport,
    pops_b: PopReport,
    tolerance_s: float = TOLERANCE_S,
    notes: tuple[str, ...] = (),
) -> PopAlignment:
    """Align the pops of two recordings, ``durations_s`` long; their lag path is in samples at ``sample_rate``."""
    times_a, times_b = pops_a.times_s, pops_b.times_s
    raw = match_times(times_a, times_b, tolerance_s)
    corrected: TimeMatching | None = None
    if path.alignable:
        corrected = match_times(path.to_b(np.array(times_a) * sample_rate) / sample_rate, times_b, tolerance_s)
    return PopAlignment(
        tolerance_ms=tolerance_s * 1000,
        a_to_b=raw.a_to_b,
        b_to_a=raw.b_to_a,
        chance=chance_rate(len(times_b), durations_s[1], tolerance_s),
        chance_b_to_a=chance_rate(len(times_a), durations_s[0], tolerance_s),
        corrected_a_to_b=corrected.a_to_b if corrected else None,
        corrected_b_to_a=corrected.b_to_a if corrected else None,
        lag_jumps=_timed(path.jumps, sample_rate) if path.alignable else (),
        alignable=path.alignable,
        coverage=round(path.coverage, 4),
        initial_lag=path.initial_lag if path.alignable else None,
        matches=tuple((times_a[i], times_b[j]) for i, j in corrected.pairs) if corrected else (),
        reason=_why_incomplete(path, times_a, times_b),
        notes=notes,
    )


def _why_incomplete(path: LagPath, times_a: list[float], times_b: list[float]) -> str | None:
    """Why a corrected share is missing; None if both are there."""
    if not path.alignable:
        return f"not alignable: {path.coverage:.0%} of A is found in B, {MIN_COVERAGE:.0%} is needed"
    without = [name for name, times in (("A", times_a), ("B", times_b)) if not times]
    return f"no pops in {' and '.join(without)}" if without else None


def _timed(jumps: tuple[LagJump, ...], sample_rate: int) -> tuple[TimedLagJump, ...]:
    """Jumps in order, each with its times in A and in B."""
    lags = accumulate((jump.samples for jump in jumps), initial=0)
    return tuple(
        TimedLagJump(round(jump.sample / sample_rate, 6), jump.samples, round((jump.sample + lag) / sample_rate, 6))
        for jump, lag in zip(jumps, lags, strict=False)
    )


def pops_by_channel(recording: Recording) -> tuple[int, ...]:
    """How many of the pops each channel has; a pop of several channels counts in each."""
    having = Counter(channel for pop in recording.pops for channel in pop.channels)
    return tuple(having[channel] for channel in range(1, recording.channels + 1))


def label_text(recording: Recording) -> str:
    """The pops as Audacity labels: one ``start<TAB>end<TAB>label`` a line, times in s; "" for no pops.

    Labels of a recording with several channels name those that have the pop.
    """
    return "".join(
        f"{pop.time_s:.6f}\t{pop.time_s:.6f}\t{_label(pop, recording.channels > 1)}\n" for pop in recording.pops
    )


def _label(pop: Pop, with_channels: bool) -> str:
    label = f"{pop.kind or UNCLEAR} {pop.strength_db:+.1f} dB"
    if not with_channels:
        return label
    return f"{label}, channel{'s' if len(pop.channels) > 1 else ''} {' '.join(map(str, pop.channels))}"
