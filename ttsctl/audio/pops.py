"""The pop detector: discontinuities that speech does not explain.

pcm -> prediction errors (``lpc``) -> what stands out (``surprise``) -> candidates -> ``evidence`` -> kind and
confidence (``kinds``), and beside that weak breaks on a periodic grid (``seams``).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio import lpc
from ttsctl.audio.candidates import candidates, near
from ttsctl.audio.evidence import evidence
from ttsctl.audio.kinds import kind_probabilities, likeliest_kind
from ttsctl.audio.lpc import Float
from ttsctl.audio.metrics import why_unmeasurable
from ttsctl.audio.seams import TOLERANCE, Grid, find_grids, showing
from ttsctl.audio.surprise import Index, surprise
from ttsctl.audio.wav import resampled
from ttsctl.contract.audio import PcmArray
from ttsctl.contract.errors import InputError

Pcm = NDArray[np.floating]

# The weights of ``kinds`` were fitted at this rate; other audio is resampled to it for the search.
DETECTOR_RATE = 24_000
# Chosen on the sets the weights were fitted on: the F1 is flat from 0.4 to 0.6, false alarms halve.
THRESHOLD = 0.5
# Pops closer than this are one, as one fault shows at its start and its end; the likeliest is kept.
MERGE_S = 0.002
# Searched at once, and how far beyond: more than any window, lag or repeat that the search looks at.
SECTION_S = 10.0
HALO_S = 0.3
# Detections of one zero gap or step may straddle it, so seams replace what lies this near.
SEAM_NEAR_S = 0.002


@dataclass(frozen=True)
class Pop:
    """One audible discontinuity.

    time_s and sample: where, from the start of the file, at its own rate. kind: one of ``kinds.KINDS``, "seam", or
    None if it is a pop of no clear kind. strength_db: its prediction error over the largest other within 20 ms
    (negative for a seam that only its grid gives away). confidence: 0..1; for a seam at least the share of its grid
    that shows.
    """

    time_s: float
    sample: int
    kind: str | None
    strength_db: float
    confidence: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class SeamGrid:
    """Seams at phase + k * period (samples at the file's rate). Chance: log10 of the odds that no grid is there."""

    period_samples: int
    phase_samples: int
    period_s: float
    hits: int
    points: int
    log10_chance: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class PopReport:
    """Pops in order of time, the grids that seams among them lie on, and notes on what could not be searched."""

    pops: tuple[Pop, ...]
    seams: tuple[SeamGrid, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def times_s(self) -> list[float]:
        return [pop.time_s for pop in self.pops]


def detect_pops(pcm: PcmArray, sample_rate: int, threshold: float = THRESHOLD) -> PopReport:
    """Pops of mono PCM (N,), full scale 1.0, with confidence >= threshold, and seams.

    Audio shorter than one analysis window gives no pops and a note; NaN or infinite samples are an InputError.
    """
    window = lpc.WINDOW_S
    if len(pcm) < window * sample_rate:
        note = f"{1000 * len(pcm) / sample_rate:.1f} ms is shorter than one analysis window ({1000 * window:.0f} ms)"
        return PopReport((), (), (f"{note}: not searched for pops",))
    if reason := why_unmeasurable(pcm):
        raise InputError(f"audio cannot be searched for pops: {reason}", "decode it again")
    signal: Pcm = pcm
    notes: tuple[str, ...] = ()
    if sample_rate != DETECTOR_RATE:
        signal = resampled(signal, sample_rate, DETECTOR_RATE)
        notes = (f"searched for pops at {DETECTOR_RATE} Hz, resampled from {sample_rate} Hz",)
    pops, grids = _search(signal, threshold)
    scale = sample_rate / DETECTOR_RATE
    placed = tuple(replace(p, sample=min(round(p.sample * scale), len(pcm) - 1)) for p in pops)
    return PopReport(placed, tuple(_seam_grid(g, scale) for g in grids), notes)


@dataclass(frozen=True)
class _Found:
    """What a signal (N,) shows: candidates (C,) with their confidence and kind, samples that show, ratio (N,)."""

    at: Index
    confidence: Float
    kinds: list[str | None]
    showing: Index
    ratio: NDArray[np.float32]


def _search(signal: Pcm, threshold: float) -> tuple[list[Pop], list[Grid]]:
    """Pops and grids of a signal (N,) at DETECTOR_RATE."""
    found = _find(signal)
    taken = np.flatnonzero(found.confidence >= threshold)
    single = [_pop(int(found.at[i]), found.kinds[i], found.ratio, float(found.confidence[i])) for i in taken]
    grids = find_grids(signal, found.showing, found.ratio[found.showing].astype(np.float64), DETECTOR_RATE)
    known = dict(zip(found.at.tolist(), found.confidence.tolist(), strict=True))
    seams = [pop for grid in grids for pop in _seams(grid, found.ratio, known)]
    return _merged(single, seams), grids


def _find(signal: Pcm) -> _Found:
    """Section by section, so that memory does not grow with the file; each looks HALO_S beyond its ends."""
    section, halo = round(SECTION_S * DETECTOR_RATE), round(HALO_S * DETECTOR_RATE)
    ratio = np.empty(len(signal), dtype=np.float32)
    parts = []
    for start in range(0, len(signal), section):
        stop, first = min(start + section, len(signal)), max(start - halo, 0)
        part = _find_in(np.asarray(signal[first : stop + halo], dtype=np.float64))
        ratio[start:stop] = part.ratio[start - first : stop - first]
        inside = (part.at >= start - first) & (part.at < stop - first)
        shown = part.showing[(part.showing >= start - first) & (part.showing < stop - first)]
        kinds = [kind for kind, kept in zip(part.kinds, inside.tolist(), strict=True) if kept]
        parts.append(_Found(part.at[inside] + first, part.confidence[inside], kinds, shown + first, part.ratio[:0]))
    return _Found(
        at=np.concatenate([part.at for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        kinds=[kind for part in parts for kind in part.kinds],
        showing=np.concatenate([part.showing for part in parts]),
        ratio=ratio,
    )


def _find_in(signal: Float) -> _Found:
    prediction = lpc.predict(signal, DETECTOR_RATE)
    around = surprise(prediction, DETECTOR_RATE)
    at = candidates(signal, around, DETECTOR_RATE)
    probabilities = kind_probabilities(evidence(signal, at, prediction, around, DETECTOR_RATE))
    shown = showing(around.ratio, DETECTOR_RATE)
    return _Found(at, 1 - probabilities[:, 0], likeliest_kind(probabilities), shown, around.ratio)


def decibel(ratio: float) -> float:
    return 20 * math.log10(max(ratio, 1e-3))


def _pop(sample: int, kind: str | None, ratio: NDArray[np.float32], confidence: float) -> Pop:
    return Pop(
        time_s=round(sample / DETECTOR_RATE, 6),
        sample=sample,
        kind=kind,
        strength_db=round(decibel(float(ratio[sample])), 1),
        confidence=round(confidence, 4),
    )


def _seams(grid: Grid, ratio: NDArray[np.float32], known: dict[int, float]) -> list[Pop]:
    """The seams of one grid; each as sure as the grid is complete, or as its own evidence if that says more."""
    share = min(grid.hits / grid.points, 1.0)
    pops = []
    for sample in grid.samples.tolist():
        own = max((known.get(sample + d, 0.0) for d in range(-TOLERANCE, TOLERANCE + 1)), default=0.0)
        pops.append(_pop(sample, "seam", ratio, max(share, own)))
    return pops


def _merged(single: list[Pop], seams: list[Pop]) -> list[Pop]:
    """Pops without those at a seam, one of each cluster within MERGE_S, in order of time."""
    reach = round(SEAM_NEAR_S * DETECTOR_RATE)
    positions = np.unique(np.array([pop.sample for pop in seams], dtype=np.int64))
    at_seam = near(np.array([pop.sample for pop in single], dtype=np.int64), positions, reach)
    kept: list[Pop] = []
    for pop in sorted((p for p, s in zip(single, at_seam, strict=True) if not s), key=lambda p: -p.confidence):
        if all(abs(pop.sample - other.sample) > MERGE_S * DETECTOR_RATE for other in kept):
            kept.append(pop)
    return sorted(kept + seams, key=lambda p: p.sample)


def _seam_grid(grid: Grid, scale: float) -> SeamGrid:
    return SeamGrid(
        period_samples=round(grid.period * scale),
        phase_samples=round(grid.phase * scale),
        period_s=round(grid.period / DETECTOR_RATE, 6),
        hits=grid.hits,
        points=grid.points,
        log10_chance=round(grid.log10_odds, 2),
    )
