"""Stalls: a run or a packet that took far longer than its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (ASQC 1993), as in the NIST/SEMATECH e-Handbook, 1.3.5.17: a
# modified z-score 0.6745 · (x - median) / MAD over 3.5 is an outlier. 0.6745 is the normal quartile, which makes MAD
# comparable with a standard deviation.
MODIFIED_Z = 3.5
NORMAL_QUARTILE = 0.6745
# The score alone calls 10.3 ms among 10.0 ms an outlier. A stall also takes at least twice the median, and at least
# this much longer than it: about a third of the audio of a default packet, which a player's buffer no longer hides.
LEAST_RATIO = 2.0
LEAST_MS = 100.0
# With two of them, neither is the usual one.
LEAST_SIBLINGS = 3
RULE = "over 3.5 by the modified z-score of Iglewicz & Hoaglin (1993), at least 2 × the median and 100 ms over it"


@dataclass(frozen=True)
class Stall:
    """One that stalled: its place among its siblings from 0, its time, and the median of all, in ms."""

    index: int
    ms: float
    median_ms: float


@dataclass(frozen=True)
class StalledRun:
    """A stall as it is listed. ``run``: its name or number. ``packet``: the one it waited for; None for the whole run.

    ``ms``: the time of the run, or that between the packet before and this one; ``median_ms``: of the siblings.
    """

    run: str
    packet: int | None
    ms: float
    median_ms: float

    def __str__(self) -> str:
        what = "" if self.packet is None else f", before packet {self.packet}"
        return f"stall in {self.run}{what}: {self.ms:.0f} ms against a median of {self.median_ms:.0f} ms"


def find_stalls(times_ms: Sequence[float], sizes: Sequence[float]) -> tuple[Stall, ...] | None:
    """The stalls among siblings, by ``RULE``; None for fewer than ``LEAST_SIBLINGS``.

    ``sizes``, of what each of them did, such as frames: a sibling of more than the median size may take as much longer,
    and a smaller one, which has the same costs a call, is held against the median as it is.
    """
    if len(times_ms) < LEAST_SIBLINGS:
        return None
    times, size = np.array(times_ms, np.float64), np.array(sizes, np.float64)
    share = np.maximum(1.0, size / max(float(np.median(size)), np.finfo(np.float64).tiny))
    costs = times / share
    median = float(np.median(costs))
    over = costs - median
    spread = float(np.median(np.abs(over)))
    # 0.6745 · over / spread > 3.5, which also holds its meaning where more than half of them are equal.
    stalled = (NORMAL_QUARTILE * over > MODIFIED_Z * spread) & (costs >= LEAST_RATIO * median)
    stalled &= over * share >= LEAST_MS
    return tuple(Stall(int(index), float(times[index]), median) for index in np.flatnonzero(stalled))


def stalled_runs(
    times_ms: Sequence[float | None],
    sizes: Sequence[int],
    packet_stalls: Sequence[tuple[Stall, ...] | None],
    names: Sequence[str],
) -> tuple[StalledRun, ...] | None:
    """The stalls of the runs of one request, in their order; None if there are too few runs, and too few packets.

    times_ms: of each run, None where it has none. packet_stalls: those between its packets, None where it has too few.
    A run of which a packet is listed is not listed again.
    """
    timed = [(at, ms) for at, ms in enumerate(times_ms) if ms is not None]
    found = find_stalls([ms for _, ms in timed], [sizes[at] for at, _ in timed])
    if found is None and all(stalls is None for stalls in packet_stalls):
        return None
    whole = {timed[stall.index][0]: stall for stall in found or ()}
    listed = []
    for at, name in enumerate(names):
        within = packet_stalls[at] or ()
        listed += [StalledRun(name, stall.index, stall.ms, stall.median_ms) for stall in within]
        if not within and at in whole:
            listed.append(StalledRun(name, None, whole[at].ms, whole[at].median_ms))
    return tuple(listed)
