"""At each seam: how much larger the residual is just after it than in the middle of its packet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.ablate.findings import Float, Side
from ttsctl.ablate.lag_pieces import SEAM_TOLERANCE
from ttsctl.ablate.residual import Residual, jumps_at_seams

AFTER_SAMPLES = 240


@dataclass(frozen=True)
class SeamEnergy:
    """The residual at one seam of the test.

    after_rms: RMS of the residual, full scale 1, over the 10 ms after the seam. mid_rms: over the middle half of the
    packet that follows. ratio_db: after_rms over mid_rms, None with ``reason`` if one of them is missing or zero.
    samples: how many the test lost (negative) or added there.
    """

    sample: int
    time_s: float
    after_rms: float | None
    mid_rms: float | None
    ratio_db: float | None
    samples: int
    reason: str | None


def seam_energies(residual: Residual, test: Side, sample_rate: int) -> list[SeamEnergy]:
    """One entry a seam of ``test``; none if it has a single packet."""
    jumps = jumps_at_seams(residual.jumps, test.seams, in_test=True, tolerance=SEAM_TOLERANCE)
    rows = []
    for start, size, jump in zip(test.seams.tolist(), test.packet_samples[1:], jumps, strict=True):
        packet = residual.values[start : start + size]
        after, mid = known_rms(packet[:AFTER_SAMPLES]), known_rms(packet[size // 4 : size - size // 4])
        ratio, reason = _ratio_db(after, mid)
        rows.append(SeamEnergy(start, start / sample_rate, after, mid, ratio, jump.samples if jump else 0, reason))
    return rows


def known_rms(values: Float) -> float | None:
    """RMS of the values that are not NaN; None if there is none."""
    known = values[~np.isnan(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else None


def _ratio_db(after: float | None, mid: float | None) -> tuple[float | None, str | None]:
    if after is None or mid is None:
        return None, "no counterpart in the reference"
    if after == 0 or mid == 0:
        return None, "no difference" if after == mid == 0 else "no difference in one of the two places"
    return 20 * float(np.log10(after / mid)), None
