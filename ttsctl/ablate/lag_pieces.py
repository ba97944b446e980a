"""Cut the test decode into pieces, each at one lag to the reference, that cover it and meet at seams if they can.

A lag path alone will not do. It leaves out what agrees with no lag, and that is what an explanation must look at. It
places a jump some samples late if the old and the new lag agree there by chance. Around a loud fault, it may follow the
pitch to another lag and back.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ttsctl.ablate.findings import Side
from ttsctl.core.audio import PcmArray

# An exact lag puts a jump on its seam; with noise or silence around it, within 2 ms.
SEAM_TOLERANCE = 48
# In a loud difference, a jump may be found this far from its seam; it is moved to the seam if that fits nearly as well.
SEAM_REACH = 480
# A simpler account may leave this many times the energy unexplained, because a free one also fits noise.
AS_WELL = 1.25
# A piece between two of one lag must explain its samples this much better (6 dB) with its own lag than with theirs.
DETOUR_FACTOR = 4.0


class LagPiece(NamedTuple):
    """Samples start <= n < stop of the test are samples n - lag of the reference."""

    start: int
    stop: int
    lag: int


def tidy_pieces(pieces: list[LagPiece], reference: Side, test: Side) -> list[LagPiece]:
    """The pieces in order, without detours, from the test's first sample to its last; added samples are in no piece."""
    if not pieces:
        return [LagPiece(0, len(test.pcm), 0)]
    straight = _without_detours(pieces, reference.pcm, test.pcm)
    result: list[LagPiece] = []
    start = 0
    for (_, stop, lag), (following, _, next_lag) in pairwise(straight):
        boundary = _boundary(reference.pcm, test, (stop, following), (lag, next_lag))
        result.append(LagPiece(start, boundary, lag))
        start = boundary + max(next_lag - lag, 0)
    return [*result, LagPiece(start, len(test.pcm), straight[-1].lag)]


def _without_detours(pieces: list[LagPiece], reference: PcmArray, test: PcmArray) -> list[LagPiece]:
    """The pieces without those between two of one lag that their own lag does not explain much better."""
    kept: list[LagPiece] = []
    for number, piece in enumerate(pieces):
        start, stop, lag = piece
        later = {other.lag for other in pieces[number + 1 : number + 3]}
        before = kept[-1].lag if kept else 0
        if before != lag and before in later:
            own, old = (_error(reference, test, start, stop, used) for used in (lag, before))
            if own * DETOUR_FACTOR > old:
                continue
        if kept and kept[-1].lag == lag:
            start = kept.pop().start
        kept.append(LagPiece(start, stop, lag))
    return kept


def _error(reference: PcmArray, test: PcmArray, start: int, stop: int, lag: int) -> float:
    """Energy of test[start:stop] minus the reference at a lag; samples without a counterpart count whole."""
    index = np.arange(start, stop) - lag
    inside = (index >= 0) & (index < len(reference))
    other = np.where(inside, reference[np.clip(index, 0, len(reference) - 1)], 0.0)
    return float(np.sum((test[start:stop].astype(np.float64) - other) ** 2))


def unexplained_energy(pieces: list[LagPiece], reference: Side, test: Side) -> float:
    """Energy of the test minus the reference over all pieces; samples in no piece were added and do not count."""
    return sum(_error(reference.pcm, test.pcm, start, stop, lag) for start, stop, lag in pieces)


def _boundary(reference: PcmArray, test: Side, gap: tuple[int, int], lags: tuple[int, int]) -> int:
    """The sample at which the old lag ends, in or near ``gap``: a seam, if that fits about as well."""
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
