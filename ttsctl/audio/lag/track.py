"""Follow a lag along A; when it stops explaining A, find the lag that does and the sample of the jump.

When blocks disagree, lags near the last one are tried on the samples that follow. The new lag must explain clearly more
of them than the old one. The jump is placed at the sample with the least absolute error on both sides, which is exact
if the audio is otherwise the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.audio.lag.block_correlation import BLOCK, Band, Blocks, Pcm, compare_blocks, likely_lags
from ttsctl.audio.lpc import Float

LOOK_AHEAD = 24
MIN_AGREEING, MIN_AGREEING_FAR = 4, 6
# The blocks of a new lag must score this share of the usual score on average; more than 3 decades count as 3.
SOUND_SHARE, GOOD_SCORE = 0.4, 3.0
STRICT_SHARE, LOOSE_TRIES = 0.6, 6
WINDOW = 1024
CANDIDATES = 6
# Lags tried around the last one: NEAR (0.17 s at 24 kHz) at each try; FAR (2.7 s), growing to FARTHEST, after all tries
# failed.
NEAR, FAR, FARTHEST = 4096, 65_536, 524_288
FAR_CANDIDATES = 16
TRIES = 10
STEP = 512
# A new lag must explain this many decades more of the next LOOK_AHEAD blocks than the old lag.
BETTER_BY = 3.0
# A lag counts only if it scales B by the usual factor, within 6 dB.
GAIN_FACTOR = 2.0
# The unexplained share of a block's energy that raises doubt. A vowel explains its neighbour to some per cent, so the
# bound is lower for equal audio than for audio with noise. It is never below UNEXPLAINED_FACTOR times the median share
# of the blocks just before.
DOUBT = (0.002, 0.05)
UNEXPLAINED_FACTOR = 6.0
FIRST_CHUNK, LARGEST_CHUNK = 64, 4096
LOOK_BACK = 4096
LARGEST_SKIP = 96_000


@dataclass(frozen=True)
class Segment:
    """Samples start <= n < stop of A are samples n + lag of B."""

    start: int
    stop: int
    lag: int


@dataclass(frozen=True)
class LagSupport:
    """How well a lag explains the blocks that follow a sample.

    total: decades of energy that it explains, over all blocks. agreeing: blocks that agree before three in a row fail.
    """

    total: float
    agreeing: int

    def is_sound(self, needed: float, blocks: int) -> bool:
        """Whether ``blocks`` or more agree, with ``needed`` decades or more on average.

        A vowel resembles its neighbours, but not exactly, so a wrong lag fails on average.
        """
        return self.agreeing >= blocks and self.total >= needed * self.agreeing


@dataclass(frozen=True)
class LagCandidate:
    """A lag that explains A from sample ``at`` on."""

    at: int
    lag: int


@dataclass(frozen=True)
class SignalPair:
    """Two signals and what is usual between them.

    band: the frequencies that are compared. quiet: RMS below which a block is inconclusive. noise: RMS that B usually
    leaves unexplained. gain: the usual factor from B to A. score: the usual block score.
    """

    a: Pcm
    b: Pcm
    band: Band
    quiet: float
    noise: float
    gain: float
    score: float

    @property
    def needed(self) -> float:
        """The score that the blocks of a new lag must reach on average."""
        return SOUND_SHARE * min(self.score, GOOD_SCORE)

    @property
    def strict(self) -> float:
        """The score of blocks that fit as well as usual."""
        return STRICT_SHARE * self.score

    @property
    def doubt(self) -> float:
        """The unexplained share of a block's energy that raises doubt: a hundred times the usual, within DOUBT."""
        return float(np.clip(100 * 10.0**-self.score, *DOUBT))

    def blocks(self, start: int, lag: int, count: int) -> Blocks:
        """``count`` blocks of A from sample ``start`` on, compared with B at ``lag``."""
        return compare_blocks(self.a, self.b, start, lag, count, self.quiet, self.band)


def track_lag(pair: SignalPair) -> list[Segment]:
    """Segments of A (N,) against B (M,), which agree at lag 0 at their start."""
    a, b = pair.a, pair.b
    segments: list[Segment] = []
    start, place, lag, usual_jump = 0, 0, 0, 0
    while True:
        broken = _follow(pair, place, lag)
        if broken is None:
            break
        found = _search(pair, broken, lag, usual_jump)
        if found is None:
            segments.append(Segment(start, broken, lag))
            found = _search_far(pair, broken, lag)
            if found is None:
                return segments
            start = found.at
        elif found.lag != lag:
            stop, resume = jump_place(pair, lag, found, max(start, broken - LOOK_BACK))
            segments.append(Segment(start, stop, lag))
            start, usual_jump = resume, found.lag - lag
        place, lag = max(found.at, start), found.lag
    segments.append(Segment(start, max(min(len(a), len(b) - lag), start), lag))
    return segments


def _follow(pair: SignalPair, start: int, lag: int) -> int | None:
    """The first sample of A, from ``start`` on, at which two of three blocks are in doubt; None up to the end."""
    size, usual = FIRST_CHUNK, 0.0
    end = min(len(pair.a), len(pair.b) - lag)
    while start + 3 * BLOCK <= end:
        count = min(size, (end - start) // BLOCK)
        blocks = pair.blocks(start, lag, count)
        unexplained = 1 - blocks.correlation**2
        doubtful = blocks.conclusive & (unexplained > max(pair.doubt, UNEXPLAINED_FACTOR * usual))
        doubtful &= blocks.unexplained > UNEXPLAINED_FACTOR * pair.noise**2
        pairs = doubtful[:-2] & (doubtful[1:-1] | doubtful[2:])
        if pairs.any():
            return start + int(pairs.argmax()) * BLOCK
        if blocks.agrees.any():
            usual = float(np.median(unexplained[blocks.agrees]))
        # The last two blocks are compared again, together with those that follow them.
        start += (count - 2) * BLOCK
        size = min(2 * size, LARGEST_CHUNK)
    return None


def lag_support(pair: SignalPair, start: int, lag: int) -> LagSupport:
    """How well ``lag`` explains LOOK_AHEAD blocks from ``start`` on, or as many until three conclusive ones fail.

    Blocks that agree only if scaled by another factor than usual do not count: quiet sounds resemble loud ones.
    """
    blocks = pair.blocks(start, lag, LOOK_AHEAD)
    same_gain = np.abs(np.log(np.maximum(np.abs(blocks.gain), 1e-12) / abs(pair.gain))) < np.log(GAIN_FACTOR)
    failing = blocks.conclusive & ~(blocks.agrees & same_gain)
    three = failing[:-2] & failing[1:-1] & failing[2:]
    stop = int(three.argmax()) if three.any() else LOOK_AHEAD
    score = np.where(same_gain, blocks.score, np.minimum(blocks.score, 0.0))
    return LagSupport(float(score[:stop].sum()), int((blocks.agrees & same_gain)[:stop].sum()))


def _search(pair: SignalPair, broken: int, lag: int, usual_jump: int) -> LagCandidate | None:
    """A lag near the old one that explains what follows ``broken``, or the old one a little later; None if none does.

    A jump as large as the last one, and a lag that fits as well as usual, are taken at once. Of lags that fit less
    well, the best within LOOSE_TRIES places is taken.
    """
    loose: list[tuple[float, LagCandidate]] = []
    for attempt in range(TRIES):
        at = broken + attempt * STEP
        if at + MIN_AGREEING * BLOCK > len(pair.a) or (loose and attempt >= LOOSE_TRIES):
            break
        usual = _better_lags(pair, at, lag, [lag + usual_jump] if usual_jump else [])
        if usual and usual[0][0].agreeing >= MIN_AGREEING_FAR:
            return usual[0][1]
        here = _same_lag(pair, at, lag) + usual
        if not any(support.is_sound(pair.strict, MIN_AGREEING) for support, _ in here):
            near = likely_lags(pair.a, pair.b, at, WINDOW, (lag - NEAR, lag + NEAR), CANDIDATES, pair.band)
            here += _better_lags(pair, at, lag, near)
        sure = [(s.total, found.at, found) for s, found in here if s.is_sound(pair.strict, MIN_AGREEING)]
        if sure:
            return max(sure, key=lambda entry: entry[:2])[2]
        loose += [(s.total, found) for s, found in here]
    return max(loose, key=lambda entry: entry[0])[1] if loose else None


def _same_lag(pair: SignalPair, at: int, lag: int) -> list[tuple[LagSupport, LagCandidate]]:
    """The old lag, from a little later on, if it still explains what follows."""
    same = lag_support(pair, at, lag)
    return [(same, LagCandidate(at + 3 * BLOCK, lag))] if same.is_sound(pair.needed, MIN_AGREEING) else []


def _better_lags(pair: SignalPair, at: int, old: int, lags: list[int]) -> list[tuple[LagSupport, LagCandidate]]:
    """The lags that explain enough, and clearly more than the old lag.

    Samples that B lost at ``at`` have no place in B, so each lag is tested on the samples that follow them.
    """
    good = []
    for lag in lags:
        start = at + max(old - lag, 0)
        if start + lag < 0 or start >= len(pair.a):
            continue
        new = lag_support(pair, start, lag)
        if new.is_sound(pair.needed, MIN_AGREEING) and new.total >= lag_support(pair, start, old).total + BETTER_BY:
            good.append((new, LagCandidate(start, lag)))
    return good


def _search_far(pair: SignalPair, broken: int, lag: int) -> LagCandidate | None:
    """Skip ahead in growing steps until a lag within FAR explains what follows; None at the end of A."""
    at, skip = broken + TRIES * STEP, TRIES * STEP
    while at + WINDOW <= len(pair.a):
        # The samples lost at every seam add up while no lag is recognised.
        reach = min(FAR + (at - broken) // 2, FARTHEST)
        near = likely_lags(pair.a, pair.b, at, WINDOW, (lag - reach, lag + reach), FAR_CANDIDATES, pair.band)
        seen = [(lag_support(pair, at, other), other) for other in [lag, *near] if at + other >= 0]
        good = [(s.total, other) for s, other in seen if s.is_sound(pair.needed, MIN_AGREEING_FAR)]
        if good:
            return LagCandidate(at, max(good)[1])
        at, skip = at + skip, min(2 * skip, LARGEST_SKIP)
    return None


def jump_place(pair: SignalPair, lag: int, found: LagCandidate, earliest: int) -> tuple[int, int]:
    """The place, between ``earliest`` and just after ``found.at``, at which A leaves ``lag`` for ``found.lag``.

    -> (stop, resume): samples before stop lie at the old lag, those from resume on at the new lag. Samples that B lost
    lie between the two; if B gained samples, the two are equal.
    """
    lost = max(lag - found.lag, 0)
    end = min(found.at + MIN_AGREEING * BLOCK, len(pair.a))
    # A gain within 0.01 dB of 1 counts as 1, so that equal samples leave no error.
    gain = 1.0 if abs(pair.gain - 1) < 1e-3 else pair.gain
    before = _error(pair, lag, earliest, end, gain)
    after = _error(pair, found.lag, earliest, end, gain)
    so_far = np.concatenate([[0.0], np.cumsum(before)])
    to_come = np.concatenate([[0.0], np.cumsum(after[::-1])])[::-1]
    places = np.arange(max(end - earliest - lost, 0) + 1)
    cost = so_far[places] + to_come[np.minimum(places + lost, end - earliest)]
    # Repeated samples fit on both sides: the last of equal places keeps the first copy at the old lag.
    least = cost.min() * (1 + 1e-12)
    stop = earliest + int(np.flatnonzero(cost <= least)[-1])
    return stop, stop + lost


def _error(pair: SignalPair, lag: int, start: int, stop: int, gain: float) -> Float:
    """|A - gain B| of each sample start <= n < stop of A at a lag."""
    return np.abs(_stretch(pair.a, start, stop) - gain * _stretch(pair.b, start + lag, stop + lag))


def _stretch(pcm: Pcm, start: int, stop: int) -> Float:
    """Samples start <= n < stop as float64, zero outside the signal."""
    result = np.zeros(stop - start)
    low, high = max(start, 0), min(stop, len(pcm))
    if high > low:
        result[low - start : high - start] = pcm[low:high]
    return result
