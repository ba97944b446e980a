"""Every pair of decodes of one set of codes: distances, pop alignment, seams, and what explains the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ttsctl.ablate.explanation import Explanation, explain
from ttsctl.ablate.findings import Residual, Side
from ttsctl.ablate.residual import residual_on
from ttsctl.ablate.seam_energy import SeamEnergy, seam_energies
from ttsctl.audio.lag.path import find_lag_path
from ttsctl.audio.metrics import WaveformAlignment, snr_db, why_unmeasurable
from ttsctl.audio.pop_alignment import Alignment, align_on
from ttsctl.audio.pops.detector import PopReport
from ttsctl.core.audio import Audio


@dataclass(frozen=True)
class Decoded:
    """A decode and its pops, at ``sample_rate`` Hz; ``pops`` is None where there is no audio to search."""

    side: Side
    sample_rate: int
    pops: PopReport | None


@dataclass(frozen=True)
class Distance:
    """As the two lie, sample on sample: mean |a - b| and SNR over what both have, the largest difference and where.

    ``corrected_*``: the same with lost and added samples taken out. Full scale 1; None with a reason in the pair.
    """

    mae: float | None
    snr_db: float | None
    largest: float | None
    largest_at_s: float | None
    corrected_mae: float | None
    corrected_largest: float | None
    corrected_largest_at_s: float | None


@dataclass(frozen=True)
class PairResult:
    """``b`` against ``a``; of two, the one that came in one piece is ``a``. None with ``reason`` without audio."""

    a: str
    b: str
    distance: Distance | None
    alignment: Alignment | None
    seams: tuple[SeamEnergy, ...]
    explanation: Explanation | None
    residual: Residual | None
    reason: str | None = None


def explain_pairs(decoded: Sequence[Decoded]) -> list[PairResult]:
    """All pairs, in the order of the decodes."""
    return [_pair(a, b) for a, b in combinations(decoded, 2)]


def _pair(a: Decoded, b: Decoded) -> PairResult:
    # The seams to blame are those of the one that was cut into packets.
    if len(a.side.seams) and not len(b.side.seams):
        a, b = b, a
    for one in (a, b):
        why = why_unmeasurable(one.side.pcm)
        if why:
            return PairResult(a.side.name, b.side.name, None, None, (), None, None, f"{one.side.name}: {why}")
    path = find_lag_path(a.side.pcm, b.side.pcm)
    residual = residual_on(path, a.side, b.side)
    audio = [Audio(one.side.pcm, one.sample_rate) for one in (a, b)]
    alignment = align_on(path, audio[0], audio[1], a.pops or PopReport(()), b.pops or PopReport(()))
    matched, chance = len(alignment.matches), alignment.chance
    explanation = explain(a.side, b.side, residual, matched, chance)
    seams = tuple(seam_energies(residual, b.side, b.sample_rate))
    distance = _distance(a, b, residual)
    return PairResult(a.side.name, b.side.name, distance, alignment, seams, explanation, residual)


def _distance(a: Decoded, b: Decoded, residual: Residual) -> Distance:
    common = min(len(a.side.pcm), len(b.side.pcm))
    difference = np.abs(a.side.pcm[:common].astype(np.float64) - b.side.pcm[:common])
    at = int(difference.argmax())
    known = not np.isnan(residual.largest)
    corrected_at = int(np.nanargmax(np.abs(residual.values))) if known else None
    return Distance(
        mae=float(difference.mean()),
        snr_db=snr_db(a.side.pcm, b.side.pcm, WaveformAlignment(0, 0.0, 0, 0, common)),
        largest=float(difference[at]),
        largest_at_s=at / a.sample_rate,
        corrected_mae=residual.mean if known else None,
        corrected_largest=residual.largest if known else None,
        corrected_largest_at_s=None if corrected_at is None else corrected_at / b.sample_rate,
    )
