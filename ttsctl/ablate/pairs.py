"""Every pair of decodes of one set of codes: distances, pop alignment, seams, and what explains the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ttsctl.ablate.explanation import Explanation, explain_difference
from ttsctl.ablate.measure import MeasuredDecode
from ttsctl.ablate.residual import Residual, residual_on_path
from ttsctl.ablate.seam_energy import SeamEnergy, seam_energies
from ttsctl.audio.lag.path import find_lag_path
from ttsctl.audio.metrics import WaveformAlignment, snr_db, why_unmeasurable
from ttsctl.audio.pop_alignment import PopAlignment, align_pops_on_path
from ttsctl.audio.pops.detector import PopReport


@dataclass(frozen=True)
class PairFigures:
    """Decode ``b`` against decode ``a``; all figures are None, with ``reason``, if one of the two has no audio.

    mae and snr_db: mean |a - b|, full scale 1, and SNR, sample on sample over what both have. largest: the largest
    |a - b|, at ``largest_at_s``. corrected_*: the same without lost and added samples, None if nothing corresponds.
    """

    a: str
    b: str
    mae: float | None
    snr_db: float | None
    largest: float | None
    largest_at_s: float | None
    corrected_mae: float | None
    corrected_largest: float | None
    corrected_largest_at_s: float | None
    alignment: PopAlignment | None
    seams: tuple[SeamEnergy, ...]
    explanation: Explanation | None
    reason: str | None


@dataclass(frozen=True, eq=False)
class ComparedPair:
    """The figures of a pair, and the residual that they are taken from; None without audio."""

    figures: PairFigures
    residual: Residual | None


def compare_pairs(decodes: Sequence[MeasuredDecode], cloned: bool = False) -> tuple[ComparedPair, ...]:
    """Compare all pairs, in the order of the decodes; in a pair, a decode of a single packet is ``a``.

    ``cloned``: the codes are of a cloned voice, whose reference may be missing.
    """
    return tuple(_compare(a, b, cloned) for a, b in combinations(decodes, 2))


def _compare(a: MeasuredDecode, b: MeasuredDecode, cloned: bool) -> ComparedPair:
    # The seams to examine are those of the decode that has several packets.
    if len(a.side.seams) and not len(b.side.seams):
        a, b = b, a
    for one in (a, b):
        why = why_unmeasurable(one.side.pcm)
        if why:
            return ComparedPair(_without_audio(a.side.name, b.side.name, f"{one.side.name}: {why}"), None)
    path = find_lag_path(a.side.pcm, b.side.pcm)
    residual = residual_on_path(path, a.side, b.side)
    durations = (len(a.side.pcm) / a.sample_rate, len(b.side.pcm) / b.sample_rate)
    pops = (a.pops or PopReport(()), b.pops or PopReport(()))
    alignment = align_pops_on_path(path, a.sample_rate, durations, *pops)
    return ComparedPair(_figures(a, b, residual, alignment, cloned), residual)


def _without_audio(a: str, b: str, reason: str) -> PairFigures:
    return PairFigures(
        a=a,
        b=b,
        mae=None,
        snr_db=None,
        largest=None,
        largest_at_s=None,
        corrected_mae=None,
        corrected_largest=None,
        corrected_largest_at_s=None,
        alignment=None,
        seams=(),
        explanation=None,
        reason=reason,
    )


def _figures(
    a: MeasuredDecode, b: MeasuredDecode, residual: Residual, alignment: PopAlignment, cloned: bool
) -> PairFigures:
    common = min(len(a.side.pcm), len(b.side.pcm))
    difference = np.abs(a.side.pcm[:common].astype(np.float64) - b.side.pcm[:common])
    at = int(difference.argmax())
    known = not np.isnan(residual.largest)
    corrected_at = int(np.nanargmax(np.abs(residual.values))) if known else None
    return PairFigures(
        a=a.side.name,
        b=b.side.name,
        mae=float(difference.mean()),
        snr_db=snr_db(a.side.pcm, b.side.pcm, WaveformAlignment(0, 0.0, 0, 0, common)),
        largest=float(difference[at]),
        largest_at_s=at / a.sample_rate,
        corrected_mae=residual.mean if known else None,
        corrected_largest=residual.largest if known else None,
        corrected_largest_at_s=None if corrected_at is None else corrected_at / b.sample_rate,
        alignment=alignment,
        seams=tuple(seam_energies(residual, b.side, b.sample_rate)),
        explanation=explain_difference(a.side, b.side, residual, len(alignment.matches), alignment.chance, cloned),
        reason=None,
    )
