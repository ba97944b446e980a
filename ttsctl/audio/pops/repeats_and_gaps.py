"""Find what speech does not contain: exact repeats of the samples just before, and silent gaps in loud audio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float

Index = NDArray[np.int64]

SHORTEST_REPEAT = 30
LONGEST_REPEAT = 2048
THIRD_TIME = 4096
HASH_SAMPLES = 12
# One position in eight is an anchor, chosen by content, so that both copies of a run choose the same ones.
ANCHOR_BITS = 3
# A run that was copied once is as long as its lag, but for chance agreement at its ends; a run in a tone is longer.
LENGTH_SLACK = 4
REPEAT_LEVEL = 1e-3
GAP_S = 0.0004
LONGEST_GAP_S = 0.006
GAP_RELATIVE = 0.03
GAP_SIDE_LEVEL = 0.003
GAP_DEPTH_DB = 15.0
GAP_ALONE_DB = 6.0
GAP_NEAR_S = 0.001
GAP_AROUND_S = 0.010
GAP_AWAY_S = 0.006
GAP_REACH_S = 0.025


def exact_repeats(pcm: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Runs of SHORTEST_REPEAT to LONGEST_REPEAT samples that repeat bit for bit as many samples before, once.

    pcm (N,) -> [(start, length)], sorted; start is the first repeated sample. Periodic tones and near silence (RMS
    below REPEAT_LEVEL) do not count as repeats.
    """
    samples = np.ascontiguousarray(pcm, dtype=np.float32)
    if len(samples) <= 2 * SHORTEST_REPEAT:
        return []
    found: dict[int, int] = {}
    for first, second in _equal_anchors(samples):
        lag = second - first
        start, stop = _run(samples, second, lag)
        run = samples[start : start + lag].astype(np.float64)
        if abs(stop - start - lag) <= LENGTH_SLACK and np.mean(run**2) > REPEAT_LEVEL**2:
            found[start] = lag
    return sorted(found.items())


def _equal_anchors(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs of anchors with equal hashes over HASH_SAMPLES samples, SHORTEST_REPEAT to LONGEST_REPEAT apart.

    Only one pair of each lag and neighbourhood is kept, so that a tone does not cost a search for each of its samples.
    """
    bits = samples.view(np.uint32).astype(np.uint64)
    count = len(bits) - HASH_SAMPLES + 1
    hashes = np.zeros(count, np.uint64)
    for k in range(HASH_SAMPLES):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + bits[k : k + count]
    hashes ^= hashes >> np.uint64(29)
    anchors = np.flatnonzero((hashes * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(64 - ANCHOR_BITS) == 0)
    anchors = anchors[samples[anchors] != samples[anchors + HASH_SAMPLES - 1]]
    order = anchors[np.argsort(hashes[anchors], kind="stable")]
    first, second = order[:-1], order[1:]
    lag = second - first
    same = hashes[first] == hashes[second]
    # A sound that comes a third time is a stored one, such as a synthesiser's consonant, and not a fault. The third is
    # looked for nearby, so that what is found does not depend on where the signal begins or ends.
    again = same & (lag <= THIRD_TIME)
    once = ~np.concatenate([[False], again[:-1]]) & ~np.concatenate([again[1:], [False]])
    good = same & once & (lag >= SHORTEST_REPEAT) & (lag <= LONGEST_REPEAT)
    pairs = sorted(zip((second - first)[good].tolist(), second[good].tolist(), strict=True))
    kept: list[tuple[int, int]] = []
    last = (0, 0)
    for lag_samples, at in pairs:
        if lag_samples != last[0] or at - last[1] > lag_samples:
            kept.append((at - lag_samples, at))
            last = (lag_samples, at)
    return kept


def _run(samples: NDArray[np.float32], at: int, lag: int) -> tuple[int, int]:
    """(start, stop) of the run around ``at`` with x[t] == x[t - lag], searched up to two lags before and after."""
    low, high = max(lag, at - 2 * lag), min(len(samples), at + 2 * lag)
    unequal = np.flatnonzero(samples[low:high] != samples[low - lag : high - lag]) + low
    before, after = unequal[unequal < at], unequal[unequal >= at]
    return int(before[-1]) + 1 if len(before) else low, int(after[0]) if len(after) else high


def gap_isolation_db(pcm: Float, at: Index, sample_rate: int) -> Float:
    """How far the quietest GAP_S within 1 ms of each sample ``at`` (C,) lies below the quietest 6 to 25 ms away, dB.

    Creaky voices fall silent in every pitch period; a gap is silent once. What lies outside the signal counts as loud.
    Levels below -100 dBFS count as -100 dBFS.
    """
    near, away, reach, width = (round(s * sample_rate) for s in (GAP_NEAR_S, GAP_AWAY_S, GAP_REACH_S, GAP_S))
    padded = np.pad(pcm, (reach, reach + width), constant_values=1.0)
    around = padded[(at + reach)[:, None] + np.arange(-reach, reach + width - 1)] ** 2
    energy = np.pad(np.cumsum(around, axis=1), ((0, 0), (1, 0)))
    quiet = (energy[:, width:] - energy[:, :-width]) / width
    inside = quiet[:, reach - near : reach + near].min(axis=1)
    outside = np.minimum(quiet[:, : reach - away].min(axis=1), quiet[:, reach + away :].min(axis=1))
    floor = 1e-10
    return np.asarray(10 * np.log10(np.maximum(outside, floor) / np.maximum(inside, floor)))


def gap_starts(pcm: Float, sample_rate: int) -> Index:
    """Samples (G,) at which 0.4 to 6 ms of near silence begin in loud audio, abrupt at both ends and alone.

    Near silence: below GAP_RELATIVE of the level of the 20 ms around. Abrupt: the 1 ms on either side is
    GAP_DEPTH_DB above it. Alone: nothing as quiet within 25 ms (``gap_isolation_db``).
    """
    start, stop = _silent_runs(pcm, sample_rate)
    length = stop - start
    fits = (length >= round(GAP_S * sample_rate)) & (length <= round(LONGEST_GAP_S * sample_rate))
    start, stop = start[fits], stop[fits]
    side, longest = round(GAP_NEAR_S * sample_rate), round(LONGEST_GAP_S * sample_rate)
    padded = np.pad(pcm, (side, longest + side))
    energy = np.pad(np.cumsum(padded[start[:, None] + np.arange(2 * side + longest)] ** 2, axis=1), ((0, 0), (1, 0)))
    row, end = np.arange(len(start)), side + stop - start
    inside = (energy[row, end] - energy[:, side]) / np.maximum(stop - start, 1)
    beside = np.minimum(energy[:, side], energy[row, end + side] - energy[row, end]) / side
    start = start[(beside > GAP_SIDE_LEVEL**2) & (beside > inside * 10 ** (GAP_DEPTH_DB / 10))]
    return np.asarray(start[gap_isolation_db(pcm, start, sample_rate) > GAP_ALONE_DB])


def _silent_runs(pcm: Float, sample_rate: int) -> tuple[Index, Index]:
    """Starts and ends of runs below GAP_RELATIVE of the level around."""
    power, reach = pcm**2, round(GAP_AROUND_S * sample_rate)
    running = np.concatenate([[0.0], np.cumsum(power)])
    at = np.arange(len(power))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(power))
    silent = power < GAP_RELATIVE**2 * (running[high] - running[low]) / (high - low)
    edges = np.flatnonzero(silent[1:] != silent[:-1]) + 1
    if len(silent) and silent[0]:
        edges = np.concatenate([[0], edges])
    if len(edges) % 2:
        edges = np.concatenate([edges, [len(pcm)]])
    return edges[::2], edges[1::2]
