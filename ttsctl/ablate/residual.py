"""The residual of two decodes of one set of codes, with lost and added samples taken out.

The lag between two recordings of the same audio is found by ``lag.find_lag_path``, from the audio alone. Where a
decode lacks so much context that few samples agree, it finds nothing; then the packets of the test vote by
cross-correlation for one loss at every seam, for a packet decoded without context still resembles the right one.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np

from ttsctl.ablate.findings import Float, Index, Jump, Residual, Side
from ttsctl.ablate.pieces import AS_WELL, Piece, tidied, total_error
from ttsctl.audio.lag.path import LagPath
from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES

# The most that a packet may lose or gain for the search by correlation, in samples.
REACH = 2 * FRAME_SAMPLES
# Loud packets that vote for what every seam loses; more only cost time.
VOTERS = 24
FARTHEST_VOTER = 64
# Without context, a packet still resembles the right one; unrelated packets average far below this.
MIN_CORRELATION = 0.2
CLEAR_OF_SECOND = 1.15
# Neighbours of the best lag resemble it; a rival is farther off.
EXCLUDED = 48


def residual_on(path: LagPath, reference: Side, test: Side) -> Residual:
    """Residual of ``test`` against ``reference`` by one loss at every seam, by the lag path, or as they lie.

    One loss at every seam is the simpler account, so it is taken where it explains the test as well as the path does.
    """
    free = [(s.start + s.lag, s.stop + s.lag, s.lag) for s in path.segments] if path.alignable else []
    pieces, method = tidied(free, reference, test), "lag path" if free else "none found: as they lie"
    allowed = total_error(pieces, reference, test) * AS_WELL + 1e-12 * len(test.pcm)
    for lag, loss in _regular_losses(free, reference, test):
        places = zip(test.starts.tolist(), test.packet_samples, strict=True)
        regular = [(start, start + size, lag + k * loss) for k, (start, size) in enumerate(places)]
        if not free or total_error(regular, reference, test) <= allowed:
            pieces, method = regular, "one loss at every seam"
            break
    return _residual(pieces, reference, test, path.coverage, method)


def _regular_losses(free: list[Piece], reference: Side, test: Side) -> list[tuple[int, int]]:
    """(lag of the first packet, samples added at every seam): the path's most common jump, then the packets' vote."""
    found: list[tuple[int, int]] = []
    if not len(test.seams):
        return found
    jumps = Counter(b[2] - a[2] for a, b in pairwise(free) if a[2] != b[2])
    if free:
        found.append((free[0][2], jumps.most_common(1)[0][0] if jumps else 0))
    voted = regular_loss(reference, test)
    return [*found, voted] if voted is not None and voted not in found else found


def regular_loss(reference: Side, test: Side) -> tuple[int, int] | None:
    """(lag of the first packet, samples added at every seam), or None if no such pair is clearly better than others.

    The first packet lacks no context, so it finds its own place. All others vote: the normalised cross-correlation of
    packet k at lag + k * loss, averaged over the packets, is largest at the right loss.
    """
    if len(test.seams) == 0 or not len(reference.pcm):
        return None
    first = _correlation(reference.pcm, test, 0, 0)
    lag = int(np.argmax(first)) - REACH
    packets = (
        np.argsort([-_level(test, k) for k in range(1, min(len(test.starts), FARTHEST_VOTER + 1))], kind="stable")[
            :VOTERS
        ]
        + 1
    )
    score = np.mean([_votes(reference, test, int(k), lag) for k in packets], axis=0)
    best = int(np.argmax(score))
    others = np.concatenate([score[: max(best - EXCLUDED, 0)], score[best + EXCLUDED + 1 :]])
    if score[best] < max(MIN_CORRELATION, CLEAR_OF_SECOND * float(others.max())):
        return None
    return lag, best - REACH


def _level(test: Side, packet: int) -> float:
    start = int(test.starts[packet])
    return float(np.linalg.norm(test.pcm[start : start + test.packet_samples[packet]].astype(np.float64)))


def _votes(reference: Side, test: Side, packet: int, lag: int) -> Float:
    """Correlation of a packet for each loss at every seam from -REACH to REACH, (2 REACH + 1,)."""
    losses = np.arange(-REACH, REACH + 1)
    wide = _correlation(reference.pcm, test, packet, lag)
    return wide[packet * losses + packet * REACH]


def _correlation(reference: Float | PcmArray, test: Side, packet: int, lag: int) -> Float:
    """Normalised cross-correlation of one packet with the reference, for lags ``lag`` ± max(packet, 1) * REACH."""
    from scipy.signal import correlate

    reach = max(packet, 1) * REACH
    start, size = int(test.starts[packet]), test.packet_samples[packet]
    piece = test.pcm[start : start + size].astype(np.float64)
    low = start - lag - reach
    within = _padded(np.asarray(reference, np.float64), low, low + size + 2 * reach)
    energy = np.cumsum(np.concatenate([[0.0], within**2]))
    norms = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-9)) * max(float(np.linalg.norm(piece)), 1e-9)
    # Index 0 is the earliest place in the reference, the largest lag; turned round, it is the smallest.
    return (correlate(within, piece, mode="valid", method="fft") / norms)[::-1]


def _padded(signal: Float, low: int, high: int) -> Float:
    """signal[low:high], with zeros where that lies outside."""
    result = np.zeros(high - low)
    first, last = max(low, 0), min(high, len(signal))
    if last > first:
        result[first - low : last - low] = signal[first:last]
    return result


def _residual(pieces: list[Piece], reference: Side, test: Side, coverage: float, method: str) -> Residual:
    counterpart = np.full(len(test.pcm), -1, dtype=np.int64)
    for start, stop, lag in pieces:
        first, last = max(start, lag, 0), min(stop, len(test.pcm), len(reference.pcm) + lag)
        counterpart[first:last] = np.arange(first - lag, last - lag)
    known = counterpart >= 0
    values = np.full(len(test.pcm), np.nan)
    values[known] = test.pcm[known].astype(np.float64) - reference.pcm[counterpart[known]]
    last_lag = pieces[-1][2] if pieces else 0
    peak = float(np.abs(reference.pcm).max()) if len(reference.pcm) else 0.0
    end = len(test.pcm) - len(reference.pcm) - last_lag
    return Residual(values, counterpart, _jumps(pieces), end, coverage, method, peak)


def _jumps(pieces: list[Piece]) -> tuple[Jump, ...]:
    """Changes of lag from piece to piece; one that the test starts with is a jump at sample 0."""
    jumps: list[Jump] = []
    lag, stop = 0, 0
    for _, next_stop, next_lag in pieces:
        if next_lag != lag:
            jumps.append(Jump(stop - lag, stop, next_lag - lag))
        lag, stop = next_lag, next_stop
    return tuple(jumps)


def at_seams(jumps: tuple[Jump, ...], places: Index, in_test: bool, tolerance: int) -> list[Jump | None]:
    """For each seam (P,) the jump nearest to it within ``tolerance`` samples, or None."""
    found: list[Jump | None] = []
    for place in places.tolist():
        near = [(abs((j.in_test if in_test else j.in_reference) - place), j) for j in jumps]
        best = min(near, key=lambda item: item[0], default=None)
        found.append(best[1] if best is not None and best[0] <= tolerance else None)
    return found
