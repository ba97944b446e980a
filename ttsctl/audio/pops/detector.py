"""The pop detector: discontinuities that speech does not explain.

pcm -> prediction errors (``lpc``) -> how far each sample stands out (``salience``) -> candidates (``search``) ->
``features`` -> confidence and kind (``classifier``); and weak breaks on a periodic grid (``seam_grids``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio import lpc
from ttsctl.audio.metrics import why_unmeasurable
from ttsctl.audio.pops.seam_grids import TOLERANCE, Grid, find_seam_grids
from ttsctl.audio.pops.search import CandidateSearch, search_candidates
from ttsctl.audio.wav import resample_pcm
from ttsctl.core.audio import PcmArray
from ttsctl.core.errors import InputError

Pcm = NDArray[np.floating]

# The classifier was fitted at this rate; audio of higher rates is resampled to it. Audio of lower rates is searched as
# it is, because raising the rate would smooth the discontinuities that the search looks for.
DETECTOR_RATE = 24_000
# Measured on sets that the classifier was not fitted on: from 0.9 to 0.95, F1 falls by about .007 and false alarms by a
# third.
THRESHOLD = 0.95
# Pops closer than this count as one, because one fault shows at its start and at its end. A seam is kept before another
# pop, and a surer pop before a less sure one.
MERGE_S = 0.002
# The ends of a file are not searched: what lies beyond them is unknown, and an excerpt may begin anywhere.
EDGE_S = 0.002


@dataclass(frozen=True)
class Pop:
    """One audible discontinuity.

    time_s and sample: its place from the start of the file, at the file's own rate. kind: one of ``classifier.KINDS``,
    "seam", or None for a pop of no clear kind. strength_db: its prediction error over the largest other one within
    20 ms, negative for a seam that only its grid reveals. confidence: 0..1; for a seam, at least the share of its
    grid's points that are hits.
    """

    time_s: float
    sample: int
    kind: str | None
    strength_db: float
    confidence: float


@dataclass(frozen=True)
class SeamGrid:
    """Seams at phase + k * period, in samples at the file's rate.

    ``hits`` of the grid's ``points`` are broken; log10_chance: log10 of the odds of that by chance.
    """

    period_samples: int
    phase_samples: int
    period_s: float
    hits: int
    points: int
    log10_chance: float


@dataclass(frozen=True)
class PopReport:
    """Pops in order of time, the grids of the seams among them, and notes on how the audio was searched."""

    pops: tuple[Pop, ...]
    seams: tuple[SeamGrid, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def times_s(self) -> list[float]:
        return [pop.time_s for pop in self.pops]


def detect_pops(pcm: PcmArray, sample_rate: int, threshold: float = THRESHOLD) -> PopReport:
    """The seams of mono PCM (N,), full scale 1.0, and its other pops with a confidence of at least ``threshold``.

    Audio shorter than one analysis window gives no pops and a note; InputError for NaN or infinite samples.
    """
    window = lpc.WINDOW_S
    if len(pcm) < window * sample_rate:
        note = f"{1000 * len(pcm) / sample_rate:.1f} ms is shorter than one analysis window ({1000 * window:.0f} ms)"
        return PopReport((), (), (f"{note}: not searched for pops",))
    if reason := why_unmeasurable(pcm):
        raise InputError(f"audio cannot be searched for pops: {reason}", "decode it again")
    rate = min(sample_rate, DETECTOR_RATE)
    signal: Pcm = pcm if rate == sample_rate else resample_pcm(pcm, sample_rate, rate)
    pops, grids = _pops_and_grids(signal, rate, threshold)
    scale = sample_rate / rate
    placed = tuple(replace(p, sample=min(round(p.sample * scale), len(pcm) - 1)) for p in pops)
    return PopReport(placed, tuple(_seam_grid(g, rate, scale) for g in grids), _rate_notes(sample_rate))


def _rate_notes(sample_rate: int) -> tuple[str, ...]:
    if sample_rate > DETECTOR_RATE:
        return (f"searched for pops at {DETECTOR_RATE} Hz, resampled from {sample_rate} Hz",)
    if sample_rate < DETECTOR_RATE:
        return (f"searched for pops at {sample_rate} Hz by a detector made for {DETECTOR_RATE} Hz",)
    return ()


def _pops_and_grids(signal: Pcm, rate: int, threshold: float) -> tuple[list[Pop], list[Grid]]:
    """Pops and grids of a signal (N,) at the rate at which it is searched."""
    found = search_candidates(signal, rate)
    inside = (found.at >= EDGE_S * rate) & (found.at < len(signal) - EDGE_S * rate)
    taken = np.flatnonzero((found.confidence >= threshold) & inside)
    single = [
        _pop(int(found.at[i]), found.kinds[i], found.ratio, float(found.confidence[i]), rate) for i in taken.tolist()
    ]
    grids = find_seam_grids(signal, found.on_grids, found.ratio[found.on_grids].astype(np.float64), rate)
    seams = [pop for grid in grids for pop in _seams(grid, found, rate)]
    return _merged(single, seams, rate), grids


def _pop(sample: int, kind: str | None, ratio: NDArray[np.float32], confidence: float, rate: int) -> Pop:
    return Pop(
        time_s=round(sample / rate, 6),
        sample=sample,
        kind=kind,
        strength_db=round(20 * math.log10(max(float(ratio[sample]), 1e-3)), 1),
        confidence=round(confidence, 4),
    )


def _seams(grid: Grid, found: CandidateSearch, rate: int) -> list[Pop]:
    """The seams of one grid, each with the share of points that are hits as its confidence, or its own if larger."""
    share = grid.hits / grid.points
    known = dict(zip(found.at.tolist(), found.confidence.tolist(), strict=True))
    pops = []
    for sample in grid.samples.tolist():
        own = max(known.get(sample + offset, 0.0) for offset in range(-TOLERANCE, TOLERANCE + 1))
        pops.append(_pop(sample, "seam", found.ratio, max(share, own), rate))
    return pops


def _merged(single: list[Pop], seams: list[Pop], rate: int) -> list[Pop]:
    """The seams, and one pop of each cluster within MERGE_S that holds no seam, in order of time."""
    reach = round(MERGE_S * rate)
    kept: dict[int, Pop] = {pop.sample // (reach + 1): pop for pop in seams}
    # The surest first. Cells are as wide as the reach, so only pops of neighbouring cells can be too close.
    for pop in sorted(single, key=lambda p: -p.confidence):
        cell = pop.sample // (reach + 1)
        near = (kept[c] for c in (cell - 1, cell, cell + 1) if c in kept)
        if all(abs(pop.sample - other.sample) > reach for other in near):
            kept[cell] = pop
    return sorted([pop for pop in kept.values() if pop.kind != "seam"] + seams, key=lambda p: p.sample)


def _seam_grid(grid: Grid, rate: int, scale: float) -> SeamGrid:
    return SeamGrid(
        period_samples=round(grid.period * scale),
        phase_samples=round(grid.phase * scale),
        period_s=round(grid.period / rate, 6),
        hits=grid.hits,
        points=grid.points,
        log10_chance=round(grid.log10_odds, 2),
    )
