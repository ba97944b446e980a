"""Search a recording for candidates, section by section, and say how likely each is a pop and of which kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.classifier import class_probabilities, likeliest_kinds
from ttsctl.audio.pops.features import feature_rows
from ttsctl.audio.pops.repeats_and_gaps import exact_repeats, gap_starts
from ttsctl.audio.pops.salience import Index, Salience, is_near, local_maxima, measure_salience
from ttsctl.audio.pops.seam_grids import grid_points

# A section is searched at once, with a halo on both sides that is longer than any window, lag or repeat of the search.
SECTION_S = 10.0
HALO_S = 0.3
# A candidate's prediction error is this many times the largest other one nearby, and the largest within 5 ms.
STANDS_OUT = 1.1
APART_S = 0.005
SAME_PLACE_S = 0.001


@dataclass(frozen=True, eq=False)
class CandidateSearch:
    """What the search of a signal (N,) found.

    at (C,): candidates, in samples; confidence (C,): probability that each is a pop; kinds: its kind if it is one.
    on_grids (S,): samples that may lie on a grid of seams; ratio (N,): how far each sample stands out
    (``salience.Salience``).
    """

    at: Index
    confidence: Float
    kinds: list[str | None]
    on_grids: Index
    ratio: NDArray[np.float32]


def search_candidates(signal: NDArray[np.floating], sample_rate: int) -> CandidateSearch:
    """Search a signal (N,), N >= 1; memory beyond one section grows by four bytes a sample."""
    section, halo = round(SECTION_S * sample_rate), round(HALO_S * sample_rate)
    ratio = np.empty(len(signal), dtype=np.float32)
    parts = []
    for start in range(0, len(signal), section):
        stop, first = min(start + section, len(signal)), max(start - halo, 0)
        part = _search_section(np.asarray(signal[first : stop + halo], dtype=np.float64), sample_rate)
        ratio[start:stop] = part.ratio[start - first : stop - first]
        parts.append(_inside(part, start - first, stop - first, first))
    return CandidateSearch(
        at=np.concatenate([part.at for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        kinds=[kind for part in parts for kind in part.kinds],
        on_grids=np.concatenate([part.on_grids for part in parts]),
        ratio=ratio,
    )


def _search_section(signal: Float, sample_rate: int) -> CandidateSearch:
    prediction = lpc.predict(signal, sample_rate)
    salience = measure_salience(prediction, sample_rate)
    at = find_candidates(signal, salience, sample_rate)
    probabilities = class_probabilities(feature_rows(signal, at, prediction, salience, sample_rate))
    return CandidateSearch(
        at=at,
        confidence=1 - probabilities[:, 0],
        kinds=likeliest_kinds(probabilities),
        on_grids=grid_points(salience.ratio, sample_rate),
        ratio=salience.ratio,
    )


def _inside(part: CandidateSearch, start: int, stop: int, offset: int) -> CandidateSearch:
    """What lies at start <= n < stop, moved by ``offset`` samples, without the ratio."""
    inside = (part.at >= start) & (part.at < stop)
    return CandidateSearch(
        at=part.at[inside] + offset,
        confidence=part.confidence[inside],
        kinds=[kind for kind, kept in zip(part.kinds, inside.tolist(), strict=True) if kept],
        on_grids=part.on_grids[(part.on_grids >= start) & (part.on_grids < stop)] + offset,
        ratio=part.ratio[:0],
    )


def find_candidates(pcm: Float, salience: Salience, sample_rate: int) -> Index:
    """Where pcm (N,) may have a pop -> samples (C,), sorted, about ten a second of speech.

    Candidates are samples that stand out, starts of gaps and starts of exact repeats.
    """
    peaks = local_maxima(salience.ratio, STANDS_OUT, round(APART_S * sample_rate))
    repeats = np.array([start for start, _ in exact_repeats(pcm)], dtype=np.int64)
    exact = np.union1d(gap_starts(pcm, sample_rate), repeats)
    return np.union1d(peaks, exact[~is_near(exact, peaks, round(SAME_PLACE_S * sample_rate))])
