"""At each seam: how much larger the residual is just after it than in the middle of its packet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.ablate.findings import Float, Residual, Side
from ttsctl.ablate.pieces import SEAM_TOLERANCE
from ttsctl.ablate.residual import at_seams

AFTER_SAMPLES = 240


@dataclass(frozen=True)
class SeamEnergy:
    """One seam of the test. rms: of the residual, full scale 1, over 10 ms after the seam and over the middle half of
    the packet that follows. ratio_db: after over mid; None with ``reason`` where one of them is missing or zero.
    ``samples``: lost (negative) or added there.
    """

    sample: int
    time_s: float
    after_rms: float | None
    mid_rms: float | None
    ratio_db: float | None
    samples: int
    reason: str | None = None


def seam_energies(residual: Residual, test: Side, sample_rate: int) -> list[SeamEnergy]:
    """One entry a seam of ``test``; none if it came in one piece."""
    jumps = at_seams(residual.jumps, test.seams, in_test=True, tolerance=SEAM_TOLERANCE)
    rows = []
    for start, size, jump in zip(test.seams.tolist(), test.packet_samples[1:], jumps, strict=True):
        packet = residual.values[start : start + size]
        after, mid = rms(packet[:AFTER_SAMPLES]), rms(packet[size // 4 : size - size // 4])
        ratio, reason = _ratio_db(after, mid)
        rows.append(SeamEnergy(start, start / sample_rate, after, mid, ratio, jump.samples if jump else 0, reason))
    return rows


def rms(values: Float) -> float | None:
    """Over the samples that are known; None if none is."""
    known = values[~np.isnan(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else None


def _ratio_db(after: float | None, mid: float | None) -> tuple[float | None, str | None]:
    if after is None or mid is None:
        return None, "no counterpart in the reference"
    if after == 0 or mid == 0:
        return None, "no difference" if after == mid == 0 else "no difference in one of the two places"
    return 20 * float(np.log10(after / mid)), None
