"""Follow a lag along A, and where it stops explaining B, find the one that does and the sample of the jump.

Where blocks disagree, lags near the last one are tried on the samples that follow; the one taken must explain
clearly more of them than the old lag. The jump is put at the sample that leaves the least absolute error on both
sides, which is exact wherever the audio is otherwise the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.audio.lag.block_correlation import BLOCK, Blocks, Pcm, compare_blocks, likely_lags
from ttsctl.audio.lpc import Float

LOOK_AHEAD = 24
MIN_AGREEING, MIN_AGREEING_FAR = 4, 6
# A new lag's blocks must score this share of the usual on average; 3 decades are as good as any more.
SOUND_SHARE, GOOD_SCORE = 0.4, 3.0
STRICT_SHARE, LOOSE_TRIES = 0.6, 6
WINDOW = 1024
CANDIDATES = 6
# Lags tried around the last one: near (0.17 s at 24 kHz) at each try, far (2.7 s, then ever more) when all tries
# failed.
NEAR, FAR, FARTHEST = 4096, 65_536, 524_288
FAR_CANDIDATES = 16
TRIES = 10
STEP = 512
# A new lag must explain this many decades more of the next LOOK_AHEAD blocks than the old one does.
BETTER_BY = 3.0
# A lag is another only if it scales B as usual, within 6 dB.
GAIN_FACTOR = 2.0
# A vowel explains its neighbour to some per cent, so equal audio is held to less than audio with noise. Where more is
# usual of late, a block is in doubt at six times that.
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
class Outlook:
    """What a lag explains of the blocks that follow: decades in all, and blocks that agree before three do not."""

    total: float
    agreeing: int

    def is_sound(self, needed: float, blocks: int) -> bool:
        """Enough blocks agree, and well enough on average: vowels resemble their neighbours, but not exactly."""
        return self.agreeing >= blocks and self.total >= needed * self.agreeing


@dataclass(frozen=True)
class Found:
    """A lag that explains A from sample ``at`` on."""

    at: int
    lag: int


@dataclass(frozen=True)
class Pair:
    """Two signals, the level below which their blocks tell nothing, the usual factor from B to A and block score."""

    a: Pcm
    b: Pcm
    quiet: float
    gain: float
    score: float

    @property
    def needed(self) -> float:
        """Score a block that a new lag must reach on average."""
        return SOUND_SHARE * min(self.score, GOOD_SCORE)

    @property
    def strict(self) -> float:
        """Score a block that is as good as usual."""
        return STRICT_SHARE * self.score

    @property
    def doubt(self) -> float:
        """Unexplained share of a block's energy that raises doubt: a hundred times the usual, within bounds."""
        return float(np.clip(100 * 10.0**-self.score, *DOUBT))

    def blocks(self, start: int, lag: int, count: int) -> Blocks:
        return compare_blocks(self.a, self.b, start, lag, count, self.quiet)


def track(pair: Pair) -> list[Segment]:
    """Segments of A (N,) against B (M,), which agree at lag 0 to begin with."""
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


def _follow(pair: Pair, start: int, lag: int) -> int | None:
    """The first sample of A from ``start`` on where two of three blocks stop agreeing; None at the end of A or B."""
    size, usual = FIRST_CHUNK, 0.0
    end = min(len(pair.a), len(pair.b) - lag)
    while start + 3 * BLOCK <= end:
        count = min(size, (end - start) // BLOCK)
        blocks = pair.blocks(start, lag, count)
        unexplained = 1 - blocks.correlation**2
        doubtful = blocks.conclusive & (unexplained > max(pair.doubt, UNEXPLAINED_FACTOR * usual))
        pairs = doubtful[:-2] & (doubtful[1:-1] | doubtful[2:])
        if pairs.any():
            return start + int(pairs.argmax()) * BLOCK
        if blocks.agrees.any():
            usual = float(np.median(unexplained[blocks.agrees]))
        # The last two blocks are looked at again with those after them.
        start += (count - 2) * BLOCK
        size = min(2 * size, LARGEST_CHUNK)
    return None


def outlook(pair: Pair, start: int, lag: int, count: int = LOOK_AHEAD) -> Outlook:
    """How well ``lag`` explains ``count`` blocks from ``start`` on, up to where three conclusive ones in a row fail.

    Blocks that agree only when scaled by another factor than usual do not count: quiet sounds resemble loud ones.
    """
    blocks = pair.blocks(start, lag, count)
    same_gain = np.abs(np.log(np.maximum(np.abs(blocks.gain), 1e-12) / abs(pair.gain))) < np.log(GAIN_FACTOR)
    failing = blocks.conclusive & ~(blocks.agrees & same_gain)
    run = failing[:-2] & failing[1:-1] & failing[2:] if count > 2 else failing[:0]
    stop = int(run.argmax()) if run.any() else count
    score = np.where(same_gain, blocks.score, np.minimum(blocks.score, 0.0))
    return Outlook(float(score[:stop].sum()), int((blocks.agrees & same_gain)[:stop].sum()))


def _search(pair: Pair, broken: int, lag: int, usual_jump: int) -> Found | None:
    """A lag near the old one that explains what follows ``broken``, or the old one a little later; None if none does.

    The last jump once more, or a lag that fits as well as usual, is taken at once; of those that fit less, the best
    within LOOSE_TRIES places.
    """
    loose: list[tuple[float, Found]] = []
    for attempt in range(TRIES):
        at = broken + attempt * STEP
        if at + MIN_AGREEING * BLOCK > len(pair.a) or (loose and attempt >= LOOSE_TRIES):
            break
        usual = _better_lags(pair, at, lag, [lag + usual_jump] if usual_jump else [])
        if usual and usual[0][0].agreeing >= MIN_AGREEING_FAR:
            return usual[0][1]
        here = _same_lag(pair, at, lag) + usual
        if not any(outlook.is_sound(pair.strict, MIN_AGREEING) for outlook, _ in here):
            near = likely_lags(pair.a, pair.b, at, WINDOW, (lag - NEAR, lag + NEAR), CANDIDATES)
            here += _better_lags(pair, at, lag, near)
        sure = [(o.total, found.at, found) for o, found in here if o.is_sound(pair.strict, MIN_AGREEING)]
        if sure:
            return max(sure, key=lambda entry: entry[:2])[2]
        loose += [(o.total, found) for o, found in here]
    return max(loose, key=lambda entry: entry[0])[1] if loose else None


def _same_lag(pair: Pair, at: int, lag: int) -> list[tuple[Outlook, Found]]:
    """The old lag, to be followed from a little later on, if it still explains what comes."""
    same = outlook(pair, at, lag)
    return [(same, Found(at + 3 * BLOCK, lag))] if same.is_sound(pair.needed, MIN_AGREEING) else []


def _better_lags(pair: Pair, at: int, old: int, lags: list[int]) -> list[tuple[Outlook, Found]]:
    """The lags that explain enough, and clearly more than the old one.

    Samples lost at ``at`` are in no place of B, so each lag is asked about the samples that follow them.
    """
    good = []
    for lag in lags:
        start = at + max(old - lag, 0)
        if start + lag < 0 or start >= len(pair.a):
            continue
        new = outlook(pair, start, lag)
        if new.is_sound(pair.needed, MIN_AGREEING) and new.total >= outlook(pair, start, old).total + BETTER_BY:
            good.append((new, Found(start, lag)))
    return good


def _search_far(pair: Pair, broken: int, lag: int) -> Found | None:
    """Skip ahead, ever farther, until some lag within FAR explains what follows; None at the end of A."""
    at, skip = broken + TRIES * STEP, TRIES * STEP
    while at + WINDOW <= len(pair.a):
        # What is lost at every seam adds up while nothing is recognised.
        reach = min(FAR + (at - broken) // 2, FARTHEST)
        near = likely_lags(pair.a, pair.b, at, WINDOW, (lag - reach, lag + reach), FAR_CANDIDATES)
        seen = [(outlook(pair, at, other), other) for other in [lag, *near] if at + other >= 0]
        good = [(o.total, other) for o, other in seen if o.is_sound(pair.needed, MIN_AGREEING_FAR)]
        if good:
            return Found(at, max(good)[1])
        at, skip = at + skip, min(2 * skip, LARGEST_SKIP)
    return None


def jump_place(pair: Pair, lag: int, found: Found, earliest: int) -> tuple[int, int]:
    """Where between ``earliest`` and just after ``found.at`` A leaves ``lag``, and where it takes up ``found.lag``.

    -> (stop, resume): samples before stop lie at the old lag, those from resume on at the new one. Samples that B
    lost lie between; with samples gained the two are equal.
    """
    lost = max(lag - found.lag, 0)
    end = min(found.at + MIN_AGREEING * BLOCK, len(pair.a))
    # A gain within 0.01 dB of 1 is taken for 1, so that equal samples leave no error.
    gain = 1.0 if abs(pair.gain - 1) < 1e-3 else pair.gain
    before = _error(pair, lag, earliest, end, gain)
    after = _error(pair, found.lag, earliest, end, gain)
    so_far = np.concatenate([[0.0], np.cumsum(before)])
    to_come = np.concatenate([[0.0], np.cumsum(after[::-1])])[::-1]
    places = np.arange(max(end - earliest - lost, 0) + 1)
    cost = so_far[places] + to_come[np.minimum(places + lost, end - earliest)]
    # Repeated samples fit either side: the last of equal places keeps the first copy at the old lag.
    least = cost.min() * (1 + 1e-12)
    stop = earliest + int(np.flatnonzero(cost <= least)[-1])
    return stop, stop + lost


def _error(pair: Pair, lag: int, start: int, stop: int, gain: float) -> Float:
    return np.abs(_stretch(pair.a, start, stop) - gain * _stretch(pair.b, start + lag, stop + lag))


def _stretch(pcm: Pcm, start: int, stop: int) -> Float:
    """Samples start <= n < stop as float64, zero outside the signal."""
    result = np.zeros(stop - start)
    low, high = max(start, 0), min(stop, len(pcm))
    if high > low:
        result[low - start : high - start] = pcm[low:high]
    return result
