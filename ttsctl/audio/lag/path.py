"""The lag between two recordings of the same audio: where B lost or gained samples against A.

The lag (sample of B minus sample of A) is piecewise constant. ``track`` follows it from an anchor, a window of A that B
surely repeats: forwards, and on the reversed signals backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lag.block_correlation import (
    BLOCK,
    CONCLUSIVE,
    Band,
    Blocks,
    Pcm,
    compare_blocks,
    emphasised,
    likely_lags,
)
from ttsctl.audio.lag.track import LOOK_AHEAD, MIN_AGREEING, Segment, SignalPair, track_lag
from ttsctl.audio.lpc import Float

# Two recordings with a smaller share of agreeing blocks are not of the same audio. Unrelated speech reaches about 0.05.
MIN_COVERAGE = 0.5
ANCHOR_WINDOW = 4096
ANCHOR_TRIES = 16
ANCHOR_LEVEL = 1e-3
# Lags searched for an anchor: WIDE (2.7 s at 24 kHz) at each try, ANYWHERE (a minute) at the first few.
WIDE, ANYWHERE, ANYWHERE_TRIES = 65_536, 1_440_000, 3
# Decades of energy that B must explain, on average, in the LOOK_AHEAD blocks after an anchor.
ANCHOR_SCORE = 0.7
CHUNK_BLOCKS = 4096
# Blocks count from this factor above the noise between A and B at the anchor, and from -120 dBFS, below which rounding
# decides.
OVER_NOISE, QUIETEST = 8.0, 1e-6
# Noise may raise that level above CONCLUSIVE, but only to this factor above the noise, at which a block still agrees.
OVER_LOUD_NOISE = 4.0
# With this score, noise is 25 dB below A in the full band: other bands are not tried.
NOISE_FREE = 2.5
# A narrower band must explain this many decades more: it tells a vowel from its neighbours less well.
NARROWER_BY = 0.4


@dataclass(frozen=True)
class LagJump:
    """At sample ``sample`` of A, B lost (samples < 0) or gained (samples > 0) that many."""

    sample: int
    samples: int


@dataclass(frozen=True)
class LagPath:
    """Segments of A in order; coverage: the share of A's blocks, silence aside, that B repeats."""

    segments: tuple[Segment, ...]
    coverage: float

    @property
    def alignable(self) -> bool:
        return self.coverage >= MIN_COVERAGE

    @property
    def initial_lag(self) -> int | None:
        """How many samples B starts later than A; None if nothing aligns."""
        return self.segments[0].lag if self.segments else None

    @property
    def jumps(self) -> tuple[LagJump, ...]:
        """Changes of lag; an initial lag counts as a jump at sample 0."""
        lags = [0, *(s.lag for s in self.segments)]
        # The jump is at the end of the old lag; the samples that B lost lie between it and the next segment.
        starts = [0, *(s.stop for s in self.segments[:-1])]
        steps = zip(starts, lags[:-1], lags[1:], strict=True) if self.segments else ()
        return tuple(LagJump(start, new - old) for start, old, new in steps if new != old)

    def to_b(self, samples: NDArray[np.number]) -> Float:
        """Samples of A (K,) -> samples of B (K,) float64; NaN for samples that B lost, or for all if nothing aligns.

        Samples between segments that B did not lose have the lag of the nearest segment.
        """
        places = np.asarray(samples, dtype=np.float64)
        if not self.segments:
            return np.full(len(places), np.nan)
        starts = np.array([s.start for s in self.segments])
        stops = np.array([s.stop for s in self.segments])
        lags = np.array([s.lag for s in self.segments])
        before = np.clip(np.searchsorted(starts, places, side="right") - 1, 0, None)
        after = np.minimum(before + 1, len(starts) - 1)
        gap = starts[after] - stops[before]
        between = (places >= stops[before]) & (places < starts[after])
        later = between & (starts[after] - places < places - stops[before])
        result = places + np.where(later, lags[after], lags[before])
        result[between & (gap == lags[before] - lags[after])] = np.nan
        return result


@dataclass(frozen=True)
class _Anchor:
    """Sample ``at`` of A is sample at + lag of B; the rest as in ``track.SignalPair``."""

    at: int
    lag: int
    band: Band
    quiet: float
    noise: float
    gain: float
    score: float


def find_lag_path(a: Pcm, b: Pcm) -> LagPath:
    """The lag path between A (N,) and B (M,), mono PCM of one rate; no segments if no anchor is found."""
    anchor = _find_anchor(a, b)
    if anchor is None:
        return LagPath((), 0.0)
    at, lag = anchor.at, anchor.lag
    usual = (anchor.band, anchor.quiet, anchor.noise, anchor.gain, anchor.score)
    back = track_lag(SignalPair(a[:at][::-1], b[: at + lag][::-1], *usual))
    segments = [Segment(at - s.stop, at - s.start, lag - s.lag) for s in reversed(back)]
    onwards = track_lag(SignalPair(a[at:], b[at + lag :], *usual))
    joined = _joined(segments + [Segment(at + s.start, at + s.stop, lag + s.lag) for s in onwards])
    return LagPath(tuple(joined), _coverage(a, b, joined, anchor))


def _find_anchor(a: Pcm, b: Pcm) -> _Anchor | None:
    """A sample of A and a lag at which B surely repeats what follows; None if none is found."""
    window = min(ANCHOR_WINDOW, len(a), len(b))
    for attempt, at in enumerate(_anchor_places(a, window)):
        for reach in (WIDE, ANYWHERE) if attempt < ANYWHERE_TRIES else (WIDE,):
            for lag in likely_lags(a, b, at, window, (-reach, reach), 4):
                anchor = _anchor_at(a, b, at, lag)
                if anchor is not None:
                    return anchor
    return None


def _anchor_at(a: Pcm, b: Pcm, at: int, lag: int) -> _Anchor | None:
    """The anchor at sample ``at``, in the band of which B explains most; None if it explains too little in each.

    The full band is taken if it explains enough for noise not to matter.
    """
    count = min(LOOK_AHEAD, (len(a) - at) // BLOCK)
    if count == 0 or at + lag < 0:
        return None
    best: _Anchor | None = None
    for band in Band:
        blocks = compare_blocks(a, b, at, lag, count, band=band)
        if blocks.agrees.any() and blocks.score.sum() >= ANCHOR_SCORE * count:
            anchor = _anchor_of(blocks, at, lag, band)
            if best is None or anchor.score > best.score + NARROWER_BY:
                best = anchor
        if best is not None and best.score >= NOISE_FREE:
            break
    return best


def _anchor_of(blocks: Blocks, at: int, lag: int, band: Band) -> _Anchor:
    """The anchor that ``blocks`` from sample ``at`` on give."""
    noise = float(np.sqrt(np.median(blocks.unexplained[blocks.agrees])))
    level = float(np.sqrt(np.median(blocks.energy[blocks.agrees])))
    most = max(CONCLUSIVE, min(OVER_LOUD_NOISE * noise, level))
    quiet = float(np.clip(OVER_NOISE * noise, QUIETEST, most))
    gain, score = (float(np.median(values[blocks.agrees])) for values in (blocks.gain, blocks.score))
    # The window may begin before a jump: the anchor is the first block that B repeats.
    return _Anchor(at + int(blocks.agrees.argmax()) * BLOCK, lag, band, quiet, noise, gain, score)


def _anchor_places(a: Pcm, window: int) -> list[int]:
    """Starts of up to ANCHOR_TRIES loud windows of A, half a window apart at first, then farther and farther."""
    places: list[int] = []
    at, step = 0, max(window // 2, 1)
    while at + window <= len(a) and len(places) < ANCHOR_TRIES:
        if np.mean(emphasised(a, at, at + window) ** 2) > ANCHOR_LEVEL**2:
            places.append(at)
            step = round(step * 1.25)
        at += step
    return places


def _joined(segments: list[Segment]) -> list[Segment]:
    """The segments without empty ones; neighbours of one lag are joined."""
    joined: list[Segment] = []
    for segment in segments:
        if segment.stop <= segment.start:
            continue
        if joined and joined[-1].lag == segment.lag:
            joined[-1] = Segment(joined[-1].start, segment.stop, segment.lag)
        else:
            joined.append(segment)
    return joined


def _coverage(a: Pcm, b: Pcm, segments: list[Segment], anchor: _Anchor) -> float:
    """Agreeing blocks of A over conclusive ones; samples that B lost at a jump are left out.

    The search takes any lag at which MIN_AGREEING blocks agree, so as many agreeing blocks of each new lag are no
    evidence: they are left out, or else many short segments would cover unrelated audio.
    """
    agreeing = conclusive = 0
    place = 0
    for i, segment in enumerate(segments):
        lost = segments[i - 1].lag - segment.lag if i else -segment.lag
        if segment.start - place > max(lost, 0) + BLOCK:
            conclusive += _count_blocks(a, b, Segment(place, segment.start, segment.lag), anchor)[1]
        good, all_blocks = _count_blocks(a, b, segment, anchor)
        chosen = min(good, MIN_AGREEING) if i else 0
        good, all_blocks = good - chosen, all_blocks - chosen
        agreeing, conclusive, place = agreeing + good, conclusive + all_blocks, segment.stop
    if segments:
        conclusive += _count_blocks(
            a, b, Segment(place, min(len(a), len(b) - segments[-1].lag), segments[-1].lag), anchor
        )[1]
    return agreeing / conclusive if conclusive else 0.0


def _count_blocks(a: Pcm, b: Pcm, segment: Segment, anchor: _Anchor) -> tuple[int, int]:
    """How many blocks of a segment agree, and how many are conclusive."""
    agreeing = conclusive = 0
    total = max((segment.stop - segment.start) // BLOCK, 0)
    quiet = max(anchor.quiet, CONCLUSIVE)
    for first in range(0, total, CHUNK_BLOCKS):
        count = min(CHUNK_BLOCKS, total - first)
        blocks = compare_blocks(a, b, segment.start + first * BLOCK, segment.lag, count, quiet, anchor.band)
        agreeing += int(blocks.agrees.sum())
        conclusive += int(blocks.conclusive.sum())
    return agreeing, conclusive
