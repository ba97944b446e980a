"""How a time is spread over runs or packets: what every table of several times shows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ttsctl.report.console import MISSING
from ttsctl.report.summary import Model


class TimeSpread(Model):
    """Median, 95th percentile (linear interpolation) and longest of ``n`` times, in the unit of the time."""

    p50: float
    p95: float
    max: float
    n: int


def time_spread(times: Iterable[float | None]) -> TimeSpread | None:
    """The spread of the times that are there; None if none is."""
    known = [time for time in times if time is not None]
    if not known:
        return None
    p50, p95 = np.percentile(known, [50, 95])
    return TimeSpread(p50=float(p50), p95=float(p95), max=max(known), n=len(known))


def spread_words(spread: TimeSpread | None) -> str:
    """``157/160/171``; "–" if it is missing."""
    if spread is None:
        return MISSING
    return "/".join(f"{t:.0f}" if t >= 100 else f"{t:.3g}" for t in (spread.p50, spread.p95, spread.max))
