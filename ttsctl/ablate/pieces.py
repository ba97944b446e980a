"""Pieces of the test, each at one lag to the reference: tidied so that they cover it and meet at seams where they may.

A lag path leaves out what agrees with no lag, which is what an explanation must look at; it places a jump up to some
samples late where old and new lag agree by chance; and around a loud fault it may follow the pitch to another lag and
back.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ttsctl.ablate.findings import Side
from ttsctl.core.audio import PcmArray

# (start, stop, lag): samples start <= n < stop of the test are samples n - lag of the reference.
Piece = tuple[int, int, int]

# An exact lag puts a jump on its seam; with noise or silence around it, within 2 ms.
SEAM_TOLERANCE = 48
# In a loud difference a jump may be found this far from its seam; it is moved there if that fits nearly as well.
SEAM_REACH = 480
# A simpler account may leave this much more unexplained, in energy: a free one fits noise.
AS_WELL = 1.25
# A lag that is left again for the one before must explain the stretch this much better (6 dB) than that one does.
DETOUR_FACTOR = 4.0


def tidied(pieces: list[Piece], reference: Side, test: Side) -> list[Piece]:
    """Pieces in order, without detours, from the test's first sample to its last; samples added lie in no piece."""
    if not pieces:
        return [(0, len(test.pcm), 0)]
    straight = _without_detours(pieces, reference.pcm, test.pcm)
    result: list[Piece] = []
    start = 0
    for (_, stop, lag), (following, _, next_lag) in pairwise(straight):
        boundary = _boundary(reference.pcm, test, (stop, following), (lag, next_lag))
        result.append((start, boundary, lag))
        start = boundary + max(next_lag - lag, 0)
    return [*result, (start, len(test.pcm), straight[-1][2])]


def _without_detours(pieces: list[Piece], reference: PcmArray, test: PcmArray) -> list[Piece]:
    """A piece between two of one lag is dropped unless its own lag explains it much better than theirs."""
    kept: list[Piece] = []
    for number, piece in enumerate(pieces):
        start, stop, lag = piece
        later = {other[2] for other in pieces[number + 1 : number + 3]}
        before = kept[-1][2] if kept else 0
        if before != lag and before in later:
            own, old = (_error(reference, test, start, stop, used) for used in (lag, before))
            if own * DETOUR_FACTOR > old:
                continue
        if kept and kept[-1][2] == lag:
            start = kept.pop()[0]
        kept.append((start, stop, lag))
    return kept


def _error(reference: PcmArray, test: PcmArray, start: int, stop: int, lag: int) -> float:
    """Energy of test[start:stop] minus the reference at a lag; what has no counterpart counts whole."""
    index = np.arange(start, stop) - lag
    inside = (index >= 0) & (index < len(reference))
    other = np.where(inside, reference[np.clip(index, 0, len(reference) - 1)], 0.0)
    return float(np.sum((test[start:stop].astype(np.float64) - other) ** 2))


def total_error(pieces: list[Piece], reference: Side, test: Side) -> float:
    """Energy of what the pieces leave of the test; samples in no piece are taken for added, and cost nothing."""
    return sum(_error(reference.pcm, test.pcm, start, stop, lag) for start, stop, lag in pieces)


def _boundary(reference: PcmArray, test: Side, gap: tuple[int, int], lags: tuple[int, int]) -> int:
    """Where the old lag ends, between the two samples of ``gap`` or so: at a seam, if that fits about as well."""
    stop, following = gap
    added = max(lags[1] - lags[0], 0)
    plain = min(stop, following)
    low, high = plain - added - SEAM_REACH, max(gap) + SEAM_REACH
    near = [int(seam) for seam in test.seams if low <= seam <= high]
    if not near:
        return plain
    best = min(near, key=lambda seam: abs(seam - plain))
    first, last = min(best, plain), max(best, plain, following) + added
    last = min(last, len(test.pcm))
    errors = [_split_error(reference, test.pcm, first, at, last, lags) for at in (best, plain)]
    return best if errors[0] <= errors[1] * AS_WELL + 1e-12 * (last - first) else plain


def _split_error(
    reference: PcmArray, test: PcmArray, first: int, boundary: int, last: int, lags: tuple[int, int]
) -> float:
    after = min(boundary + max(lags[1] - lags[0], 0), last)
    return _error(reference, test, first, boundary, lags[0]) + _error(reference, test, after, last, lags[1])
