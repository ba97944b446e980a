"""Seams: weak breaks that lie on a grid n = phase + k * period far more often than chance would put them there.

Most joins of packets are no louder than the speech around them, so none of them alone is a pop. But a streaming decoder
joins packets at a fixed period. Pairs of candidates propose periods; candidates folded by a period propose phases. The
grid is then tested against chance. Each grid point has a p-value: the probability that it meets, by chance, a candidate
at least as strong as the one that it has. The truncated product method combines them (Zaykin et al. 2002, "Truncated
product method for combining P-values"), with a Bonferroni correction for every period and phase that could have been
chosen.

Glottal pulses of a monotonous voice lie on a grid, too, and at every multiple of their period. So a grid must also be
much less likely than the same grid moved by up to two pitch periods (``RIVALS_S``): where breaks are seams, the moved
grid meets nothing but chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.salience import Index, is_near, local_maxima
from ttsctl.audio.sound import Pcm, Signal

SHORTEST_PERIOD_S = 0.040
LONGEST_PERIOD_S = 2.0
# How far a sample must stand out to count at all, and to propose a period; a sample that stands out more weighs more.
SHOWS = 0.7
PROPOSES = 0.9
APART_S = 0.0025
TOLERANCE = 1
PROPOSALS = 80
TRIED = 24
# Two points of a grid are given by its period and phase, so the third is the first that can confirm it.
MIN_HITS = 4
# How far a grid is moved to see what chance and the voice's pitch give: beyond one candidate's reach, up to two periods
# of a low voice.
RIVALS_S = (0.00125, 0.025)
# The odds of the best of them count this much against the grid: where a voice is so even that both are tiny, they
# differ by more than chance.
RIVALS_WEIGH = 2.0
MAX_GRIDS = 3
SIGNIFICANCE = 1e-3
# If at least this share of the audible grid points is broken, the others are taken for seams that happen to be smooth.
SHARE_FOR_ALL = 0.5
SILENT_LEVEL = 10 ** (-50 / 20)
SILENT_WITHIN_S = 0.005
READ_AT_ONCE = 2**18


@dataclass(frozen=True)
class Grid:
    """A periodic grid of seams: phase + k * period, in samples, 0 <= phase < period.

    points: the grid points from the first to the last that meets a candidate; hits: how many of them meet one.
    log10_odds: log10 of the probability of such hits by chance, times the number of grids that could have been chosen.
    samples (S,): where the seams are, without those in silence.
    """

    period: int
    phase: int
    hits: int
    points: int
    log10_odds: float
    samples: Index


@dataclass(frozen=True)
class _GridFit:
    """A tested grid. ``gain``: sum of the hits' -log p-values; it decides if the odds are too small for a float."""

    period: int
    phase: int
    log10_odds: float
    gain: float


def find_seam_grids(signal: Signal, shows: Index, ratio: Float) -> list[Grid]:
    """Grids of seams in a signal, strongest first; shows (C,): the samples of ``grid_points``, ratio (C,): theirs."""
    count, sample_rate = signal.count, signal.sample_rate
    grids: list[Grid] = []
    while len(grids) < MAX_GRIDS and len(shows) >= MIN_HITS:
        best = _best_fit(shows, ratio, count, sample_rate)
        if best is None or best.log10_odds > np.log10(SIGNIFICANCE):
            break
        grids.append(_grid(best, shows, signal))
        left = ~is_near(shows, np.arange(best.phase, count, best.period), TOLERANCE)
        shows, ratio = shows[left], ratio[left]
    return grids


def grid_points(ratio: NDArray[np.floating], sample_rate: int) -> Index:
    """Samples that stand out far enough to count for a grid; ratio (N,) as in ``Salience``."""
    return local_maxima(ratio, SHOWS, round(APART_S * sample_rate))


def _best_fit(shows: Index, ratio: Float, count: int, sample_rate: int) -> _GridFit | None:
    """The grid that is least likely by chance; None if no grid has enough hits."""
    chance = _chance(ratio, count)
    strong = ratio >= PROPOSES
    periods = _proposed_periods(shows[strong], chance[strong], count, sample_rate)
    at, weight = shows[strong], -np.log(chance[strong])
    phases = [(*_best_phase(at, weight, period), period) for period in periods]
    likely = sorted(phases, reverse=True)[:TRIED]
    fits = [_fit(shows, chance, period, phase, count, sample_rate) for _, phase, period in likely]
    return min((fit for fit in fits if fit is not None), key=lambda fit: (fit.log10_odds, -fit.gain), default=None)


def _chance(ratio: Float, count: int) -> Float:
    """For each candidate (C,): the probability that a grid point meets, by chance, a candidate at least as strong."""
    rank = np.empty(len(ratio))
    rank[np.argsort(-ratio, kind="stable")] = np.arange(1, len(ratio) + 1)
    return np.minimum(rank * (2 * TOLERANCE + 1) / count, 1.0)


def _proposed_periods(at: Index, chance: Float, count: int, sample_rate: int) -> list[int]:
    """The most frequent differences between candidates, to one sample; pairs of strong candidates weigh more."""
    low, high = round(SHORTEST_PERIOD_S * sample_rate), min(round(LONGEST_PERIOD_S * sample_rate), count // MIN_HITS)
    if high <= low or len(at) < MIN_HITS:
        return []
    weight = -np.log(chance / chance.max()) + 0.3
    exact = np.zeros(high + 2)
    for step in range(1, len(at)):
        difference = at[step:] - at[:-step]
        if difference.min() > high:
            break
        good = (difference >= low) & (difference <= high)
        exact += np.bincount(difference[good], (weight[step:] * weight[:-step])[good], high + 2)
    if not exact.any():
        return []
    votes = np.convolve(exact, [0.5, 1.0, 0.5], "same")
    best = np.argpartition(-votes, PROPOSALS)[:PROPOSALS] if len(votes) > PROPOSALS else np.arange(len(votes))
    return [int(period) for period in np.sort(best) if votes[period] > 0 and low <= period <= high]


def _best_phase(at: Index, weight: Float, period: int) -> tuple[float, int]:
    """The phase at which the strongest candidates fall together -> (sum of their weights, phase)."""
    phases = at % period
    order = np.argsort(phases, kind="stable")
    folded, weights = phases[order], weight[order]
    # Phases wrap round: a candidate just after the start of a period may belong to the end of the one before.
    wrapped = folded < 2 * TOLERANCE
    folded = np.concatenate([folded, folded[wrapped] + period])
    gain = np.concatenate([[0.0], np.cumsum(np.concatenate([weights, weights[wrapped]]))])
    stop = np.searchsorted(folded, folded[: len(order)] + 2 * TOLERANCE, side="right")
    gains = gain[stop] - gain[: len(order)]
    start = int(gains.argmax())
    return float(gains[start]), int(folded[(start + stop[start]) // 2]) % period


def _fit(shows: Index, chance: Float, period: int, phase: int, count: int, sample_rate: int) -> _GridFit | None:
    """Test a grid by the strongest candidate at each of its points; None with fewer hits than MIN_HITS."""
    points = len(range(phase, count, period))
    strongest = _hits(shows, chance, period, phase)
    if not MIN_HITS <= len(strongest) <= points:
        return None
    longest = min(LONGEST_PERIOD_S * sample_rate, count / MIN_HITS)
    trials = longest**2 / 2 / (2 * TOLERANCE + 1)
    odds = truncated_product(strongest, points, float(chance.max())) + np.log10(trials)
    odds -= RIVALS_WEIGH * _rival_odds(shows, chance, period, phase, points, sample_rate)
    return _GridFit(period, phase, float(odds), -float(np.sum(np.log(strongest))))


def _hits(shows: Index, chance: Float, period: int, phase: int) -> Float:
    """The chance of the strongest candidate at each point of a grid that meets one, (H,)."""
    on_grid = (shows - phase + TOLERANCE) % period <= 2 * TOLERANCE
    index, strength = (shows[on_grid] - phase + TOLERANCE) // period, chance[on_grid]
    order = np.lexsort((strength, index))
    _, first = np.unique(index[order], return_index=True)
    return strength[order][first]


def _rival_odds(shows: Index, chance: Float, period: int, phase: int, points: int, sample_rate: int) -> float:
    """log10 of the odds of the best of the grids RIVALS_S away, times their number; 0 if chance explains it."""
    near, far = (round(s * sample_rate) for s in RIVALS_S)
    offset = (shows - phase + period // 2) % period - period // 2
    rivals = (np.abs(offset) >= near) & (np.abs(offset) <= far)
    if not rivals.any():
        return 0.0
    _, best = _best_phase(shows[rivals], -np.log(chance[rivals]), period)
    trials = 2 * min(far, period // 2) / (2 * TOLERANCE + 1)
    odds = truncated_product(_hits(shows, chance, period, best), points, float(chance.max())) + np.log10(trials)
    return float(min(odds, 0.0))


def truncated_product(chances: Float, points: int, limit: float) -> float:
    """log10 of the probability of a product as small as that of ``chances``, at least -300.

    The product is that of ``points`` numbers, drawn uniformly from 0..1, without those above ``limit``. chances (H,):
    the observed numbers, none above ``limit``.
    """
    from scipy.special import gammaincc, gammaln

    total = -np.sum(np.log(chances))
    k = np.arange(1, points + 1)
    ways = gammaln(points + 1) - gammaln(k + 1) - gammaln(points - k + 1)
    rest = np.log1p(-min(limit, 1 - 1e-15))
    binomial = ways + k * np.log(limit) + (points - k) * rest
    tail = np.exp(binomial) * gammaincc(k, np.maximum(total + k * np.log(limit), 0.0))
    return float(np.log10(max(float(tail.sum()), 1e-300)))


def _grid(fit: _GridFit, shows: Index, signal: Signal) -> Grid:
    """The seams of a fitted grid: its points from the first hit to the last, without those in silence."""
    points = np.arange(fit.phase, signal.count, fit.period)
    hit = is_near(points, shows, TOLERANCE)
    first, last = np.flatnonzero(hit)[[0, -1]]
    points, hit = points[first : last + 1], hit[first : last + 1]
    audible = _level(signal, points) > SILENT_LEVEL
    taken = hit | (audible & (hit[audible].mean() >= SHARE_FOR_ALL if audible.any() else False))
    return Grid(fit.period, fit.phase, int(hit.sum()), len(hit), fit.log10_odds, points[taken])


def _level(signal: Signal, points: Index) -> Float:
    """Root mean square within SILENT_WITHIN_S of each point (P,), sorted; zero outside the signal."""
    reach = round(SILENT_WITHIN_S * signal.sample_rate)
    levels = np.zeros(len(points))
    for start in range(0, signal.count, READ_AT_ONCE):
        low, high = np.searchsorted(points, (start, start + READ_AT_ONCE))
        if low < high:
            first, stop = max(start - reach, 0), min(start + READ_AT_ONCE + reach, signal.count)
            levels[low:high] = _level_of(signal.read(first, stop), points[low:high] - first, reach)
    return levels


def _level_of(pcm: Pcm, points: Index, reach: int) -> Float:
    around = points[:, None] + np.arange(-reach, reach)
    inside = (around >= 0) & (around < len(pcm))
    return np.asarray(np.sqrt(np.mean(np.where(inside, pcm[np.clip(around, 0, len(pcm) - 1)], 0.0) ** 2, axis=1)))
