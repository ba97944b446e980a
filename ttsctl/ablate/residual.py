"""The residual of two decodes of one set of codes, without the samples that one of them lost or added.

``audio.lag`` finds the lag between two recordings from the audio alone. It finds nothing if a decode lacks so much
context that few samples agree. Then the packets of the test vote, by cross-correlation, for one loss at every seam: a
packet decoded without context still resembles the right one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ttsctl.ablate.findings import Float, Index, Side
from ttsctl.ablate.lag_pieces import AS_WELL, LagPiece, tidy_pieces, unexplained_energy
from ttsctl.audio.lag.path import LagPath
from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES

# What fp32 kernels of other shapes change in the same sum: measured over thread counts, packet sizes and one-shot.
ROUNDING_PEAK_SHARE = 5e-4
ROUNDING_MEAN = 2e-5
# The largest loss or gain a packet that the search by correlation tries, in samples.
REACH = 2 * FRAME_SAMPLES
# The loudest packets among the first FARTHEST_VOTER vote for the loss at every seam; more voters would only cost time.
VOTERS = 24
FARTHEST_VOTER = 64
# A packet without context still resembles the right one; the correlation of unrelated packets is far below this.
MIN_CORRELATION = 0.2
CLEAR_OF_SECOND = 1.15
# Lags this close to the best one resemble it, so they are not its rivals.
EXCLUDED = 48


@dataclass(frozen=True)
class Jump:
    """At sample ``in_reference`` of the reference and ``in_test`` of the test, the test lost or gained samples.

    ``samples`` is negative for a loss.
    """

    in_reference: int
    in_test: int
    samples: int


@dataclass(frozen=True)
class Residual:
    """Test minus reference on the test's time line, without lost and added samples; full scale 1.

    values (N,) float64: NaN for samples without a counterpart. counterpart (N,): the reference's sample, or -1. end:
    samples that the test has beyond the reference's end, negative if it lacks some. coverage: the share of the
    reference that the test repeats. method: how the lag was found. peak: the reference's largest absolute sample.
    """

    values: Float
    counterpart: Index
    jumps: tuple[Jump, ...]
    end: int
    coverage: float
    method: str
    peak: float

    @property
    def largest(self) -> float:
        """Largest |value|; NaN if no sample has a counterpart."""
        known = np.abs(self.values[~np.isnan(self.values)])
        return float(known.max()) if len(known) else float("nan")

    @property
    def mean(self) -> float:
        """Mean |value|; NaN if no sample has a counterpart."""
        known = np.abs(self.values[~np.isnan(self.values)])
        return float(known.mean()) if len(known) else float("nan")

    @property
    def bound(self) -> float:
        """The largest difference that may be rounding, full scale 1."""
        return ROUNDING_PEAK_SHARE * self.peak

    @property
    def over_bound(self) -> Index:
        """The test's samples whose difference is larger than rounding."""
        return np.flatnonzero(np.abs(np.nan_to_num(self.values)) > self.bound)

    @property
    def is_rounding(self) -> bool:
        """Whether no difference is larger than other kernels' rounding of the same sums."""
        return bool(self.largest <= self.bound and self.mean <= ROUNDING_MEAN)


def residual_on_path(path: LagPath, reference: Side, test: Side) -> Residual:
    """Residual of ``test`` against ``reference``, given the lag path between them.

    The lag is one loss at every seam if that explains the test as well as the path does, because it is the simpler
    account; else the path; else 0.
    """
    free = [LagPiece(s.start + s.lag, s.stop + s.lag, s.lag) for s in path.segments] if path.alignable else []
    pieces, method = tidy_pieces(free, reference, test), "lag path" if free else "none found: as they lie"
    allowed = unexplained_energy(pieces, reference, test) * AS_WELL + 1e-12 * len(test.pcm)
    for lag, loss in _regular_losses(free, reference, test):
        places = zip(test.starts.tolist(), test.packet_samples, strict=True)
        regular = [LagPiece(start, start + size, lag + k * loss) for k, (start, size) in enumerate(places)]
        if not free or unexplained_energy(regular, reference, test) <= allowed:
            pieces, method = regular, "one loss at every seam"
            break
    return _residual(pieces, reference, test, path.coverage, method)


def _regular_losses(free: list[LagPiece], reference: Side, test: Side) -> list[tuple[int, int]]:
    """(lag of the first packet, samples added at every seam), by the most common jump and by the packets' vote."""
    found: list[tuple[int, int]] = []
    if not len(test.seams):
        return found
    jumps = Counter(b.lag - a.lag for a, b in pairwise(free) if a.lag != b.lag)
    if free:
        found.append((free[0].lag, jumps.most_common(1)[0][0] if jumps else 0))
    voted = regular_loss(reference, test)
    return [*found, voted] if voted is not None and voted not in found else found


def regular_loss(reference: Side, test: Side) -> tuple[int, int] | None:
    """(lag of the first packet, samples added at every seam), or None if no loss is clearly better than the others.

    The first packet lacks no context, so its own correlation gives its lag. The others vote: the normalised
    cross-correlation of packet k at lag + k * loss, averaged over the packets, is largest at the right loss.
    """
    if len(test.seams) == 0 or not len(reference.pcm):
        return None
    first = _correlation(reference.pcm, test, 0, 0)
    lag = int(np.argmax(first)) - REACH
    candidates = range(1, min(len(test.starts), FARTHEST_VOTER + 1))
    voters = sorted(candidates, key=lambda packet: -_level(test, packet))[:VOTERS]
    score = np.mean([_votes(reference, test, packet, lag) for packet in voters], axis=0)
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
    # Index 0 is the earliest place in the reference and so the largest lag; reversed, the smallest lag comes first.
    correlation: Float = (correlate(within, piece, mode="valid", method="fft") / norms)[::-1]
    return correlation


def _padded(signal: Float, low: int, high: int) -> Float:
    """signal[low:high], with zeros where that lies outside."""
    result = np.zeros(high - low)
    first, last = max(low, 0), min(high, len(signal))
    if last > first:
        result[first - low : last - low] = signal[first:last]
    return result


def _residual(pieces: list[LagPiece], reference: Side, test: Side, coverage: float, method: str) -> Residual:
    counterpart = np.full(len(test.pcm), -1, dtype=np.int64)
    for start, stop, lag in pieces:
        first, last = max(start, lag, 0), min(stop, len(test.pcm), len(reference.pcm) + lag)
        counterpart[first:last] = np.arange(first - lag, last - lag)
    known = counterpart >= 0
    values = np.full(len(test.pcm), np.nan)
    values[known] = test.pcm[known].astype(np.float64) - reference.pcm[counterpart[known]]
    last_lag = pieces[-1].lag if pieces else 0
    peak = float(np.abs(reference.pcm).max()) if len(reference.pcm) else 0.0
    end = len(test.pcm) - len(reference.pcm) - last_lag
    return Residual(values, counterpart, _jumps(pieces), end, coverage, method, peak)


def _jumps(pieces: list[LagPiece]) -> tuple[Jump, ...]:
    """Changes of lag from piece to piece; an initial lag is a jump at sample 0."""
    jumps: list[Jump] = []
    lag, stop = 0, 0
    for _, next_stop, next_lag in pieces:
        if next_lag != lag:
            jumps.append(Jump(stop - lag, stop, next_lag - lag))
        lag, stop = next_lag, next_stop
    return tuple(jumps)


def jumps_at_seams(jumps: tuple[Jump, ...], places: Index, in_test: bool, tolerance: int) -> list[Jump | None]:
    """For each seam (P,), a sample of the test or of the reference: the nearest jump within ``tolerance``, or None."""
    found: list[Jump | None] = []
    for place in places.tolist():
        near = [(abs((j.in_test if in_test else j.in_reference) - place), j) for j in jumps]
        best = min(near, key=lambda item: item[0], default=None)
        found.append(best[1] if best is not None and best[0] <= tolerance else None)
    return found
