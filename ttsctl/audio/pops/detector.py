"""The pop detector: discontinuities that speech does not explain.

pcm -> prediction errors (``lpc``) -> how far each sample stands out (``salience``) -> candidates (``search``) ->
``features`` -> confidence and kind (``classifier``); and weak breaks on a periodic grid (``seam_grids``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.metrics import why_unmeasurable
from ttsctl.audio.pops.seam_grids import TOLERANCE, Grid, find_seam_grids
from ttsctl.audio.pops.search import CandidateSearch, ratio_at, search_candidates
from ttsctl.audio.sound import Signal, signal_of
from ttsctl.audio.wav import resampled
from ttsctl.core.audio import PcmArray
from ttsctl.core.errors import InputError

# The classifier was fitted at this rate; audio of higher rates is resampled to it. Audio of lower rates is searched as
# it is, because raising the rate would smooth the discontinuities that the search looks for.
DETECTOR_RATE = 24_000
# Measured on sets that the classifier was not fitted on: F1 at 2 ms is .915 at 0.9, with 0.15 false alarms a minute. At
# 0.85 it is .916, with three times as many false alarms; at 0.95 it is .908, with two thirds of them.
THRESHOLD = 0.9
# Pops closer than this count as one, because one fault shows at its start and at its end. A periodic pop is kept before
# another one, and a surer pop before a less sure one.
MERGE_S = 0.002
# The ends of a file are not searched: what lies beyond them is unknown, and an excerpt may begin anywhere.
EDGE_S = 0.002
# The kind of pops on a periodic grid. A detector does not know where packets meet: only who decoded them knows seams.
PERIODIC = "periodic"
# How a pop of no clear kind is named.
UNCLEAR = "unclear"


@dataclass(frozen=True)
class Pop:
    """One audible discontinuity.

    time_s and sample: its place from the start of the file, at the file's own rate. kind: one of ``classifier.KINDS``,
    ``PERIODIC``, or None for a pop of no clear kind. strength_db: its prediction error over the largest other one
    within 20 ms, negative for a pop that only its grid reveals. confidence: 0..1; for a periodic pop, at least the
    share of its grid's points that are hits. channels: numbers of the channels that have it, from 1.
    """

    time_s: float
    sample: int
    kind: str | None
    strength_db: float
    confidence: float
    channels: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class PeriodicGrid:
    """Periodic pops at phase + k * period, in samples at the file's rate.

    ``hits`` of the grid's ``points`` are broken; log10_chance: log10 of the odds of that by chance. channels: as of
    ``Pop``.
    """

    period_samples: int
    phase_samples: int
    period_s: float
    hits: int
    points: int
    log10_chance: float
    channels: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class PopReport:
    """Pops in order of time, the grids of the periodic ones among them, and notes on how the audio was searched."""

    pops: tuple[Pop, ...]
    grids: tuple[PeriodicGrid, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def times_s(self) -> list[float]:
        return [pop.time_s for pop in self.pops]


def detect_pops(pcm: PcmArray, sample_rate: int, threshold: float = THRESHOLD) -> PopReport:
    """The periodic pops of mono PCM (N,), full scale 1.0, and the others with a confidence of at least ``threshold``.

    Audio shorter than one analysis window gives no pops and a note; InputError for NaN or infinite samples.
    """
    if len(pcm) and (reason := why_unmeasurable(pcm)):
        raise InputError(f"audio cannot be searched for pops: {reason}", "decode it again")
    return detect_pops_of(signal_of(pcm, sample_rate), threshold)


def detect_pops_of(signal: Signal, threshold: float = THRESHOLD) -> PopReport:
    """As ``detect_pops``, of a signal that is read piece by piece and is known to be finite."""
    sample_rate, window = signal.sample_rate, lpc.WINDOW_S
    if signal.count < window * sample_rate:
        note = (
            f"{1000 * signal.count / sample_rate:.1f} ms is shorter than one analysis window ({1000 * window:.0f} ms)"
        )
        return PopReport((), (), (f"{note}: not searched for pops",))
    rate = min(sample_rate, DETECTOR_RATE)
    pops, grids = _pops_and_grids(resampled(signal, rate), threshold)
    scale = sample_rate / rate
    placed = tuple(replace(p, sample=min(round(p.sample * scale), signal.count - 1)) for p in pops)
    return PopReport(placed, tuple(_periodic_grid(g, rate, scale) for g in grids), _rate_notes(sample_rate))


def _rate_notes(sample_rate: int) -> tuple[str, ...]:
    if sample_rate > DETECTOR_RATE:
        return (f"searched for pops at {DETECTOR_RATE} Hz, resampled from {sample_rate} Hz",)
    if sample_rate < DETECTOR_RATE:
        return (f"searched for pops at {sample_rate} Hz by a detector made for {DETECTOR_RATE} Hz",)
    return ()


def _pops_and_grids(signal: Signal, threshold: float) -> tuple[list[Pop], list[Grid]]:
    """Pops and grids of a signal at the rate at which it is searched."""
    rate, found = signal.sample_rate, search_candidates(signal)
    inside = (found.at >= EDGE_S * rate) & (found.at < signal.count - EDGE_S * rate)
    taken = np.flatnonzero((found.confidence >= threshold) & inside)
    single = [
        _pop(int(found.at[i]), found.kinds[i], float(found.ratio[i]), float(found.confidence[i]), rate)
        for i in taken.tolist()
    ]
    grids = find_seam_grids(signal, found.on_grids, found.grid_ratio.astype(np.float64))
    return _merged(single, _periodic_pops(grids, found, signal), rate), grids


def _pop(sample: int, kind: str | None, ratio: float, confidence: float, rate: int) -> Pop:
    return Pop(
        time_s=round(sample / rate, 6),
        sample=sample,
        kind=kind,
        strength_db=round(20 * math.log10(max(ratio, 1e-3)), 1),
        confidence=round(confidence, 4),
    )


def _periodic_pops(grids: list[Grid], found: CandidateSearch, signal: Signal) -> list[Pop]:
    """The pops of all grids, each with its grid's share of hits as its confidence, or its own if that is larger."""
    if not grids:
        return []
    samples = np.unique(np.concatenate([grid.samples for grid in grids]))
    ratios = dict(zip(samples.tolist(), ratio_at(signal, samples).tolist(), strict=True))
    known = dict(zip(found.at.tolist(), found.confidence.tolist(), strict=True))
    pops = []
    for grid in grids:
        share = grid.hits / grid.points
        for sample in grid.samples.tolist():
            own = max(known.get(sample + offset, 0.0) for offset in range(-TOLERANCE, TOLERANCE + 1))
            pops.append(_pop(sample, PERIODIC, ratios[sample], max(share, own), signal.sample_rate))
    return pops


def _merged(single: list[Pop], periodic: list[Pop], rate: int) -> list[Pop]:
    """The periodic pops, and one pop of each cluster within MERGE_S that holds none of those, in order of time."""
    reach = round(MERGE_S * rate)
    kept: dict[int, Pop] = {pop.sample // (reach + 1): pop for pop in periodic}
    # The surest first. Cells are as wide as the reach, so only pops of neighbouring cells can be too close.
    for pop in sorted(single, key=lambda p: -p.confidence):
        cell = pop.sample // (reach + 1)
        near = (kept[c] for c in (cell - 1, cell, cell + 1) if c in kept)
        if all(abs(pop.sample - other.sample) > reach for other in near):
            kept[cell] = pop
    return sorted([pop for pop in kept.values() if pop.kind != PERIODIC] + periodic, key=lambda p: p.sample)


def _periodic_grid(grid: Grid, rate: int, scale: float) -> PeriodicGrid:
    return PeriodicGrid(
        period_samples=round(grid.period * scale),
        phase_samples=round(grid.phase * scale),
        period_s=round(grid.period / rate, 6),
        hits=grid.hits,
        points=grid.points,
        log10_chance=round(grid.log10_odds, 2),
    )
