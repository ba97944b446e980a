"""Search a recording for candidates, section by section, and say how likely each is a pop and of which kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float, Float32
from ttsctl.audio.pops.classifier import class_probabilities, likeliest_kinds
from ttsctl.audio.pops.features import feature_rows
from ttsctl.audio.pops.repeats_and_gaps import exact_repeats, gap_starts
from ttsctl.audio.pops.salience import Index, Salience, is_near, local_maxima, measure_salience
from ttsctl.audio.pops.seam_grids import grid_points
from ttsctl.audio.sound import Signal

# A section is searched at once, with a halo on both sides that is longer than any window, lag or repeat of the search:
# at least HALO_S, and at least HALO samples.
SECTION_S = 10.0
HALO_S, HALO = 0.3, 2**13
# A candidate's prediction error is this many times the largest other one nearby, and the largest within 5 ms.
STANDS_OUT = 1.1
APART_S = 0.005
SAME_PLACE_S = 0.001


@dataclass(frozen=True, eq=False)
class CandidateSearch:
    """What the search of a signal (N,) found.

    at (C,): candidates, in samples; confidence (C,): probability that each is a pop; kinds: its kind if it is one;
    ratio (C,): how far it stands out (``salience.Salience``). on_grids (S,): samples that may lie on a grid of seams;
    grid_ratio (S,): how far they stand out.
    """

    at: Index
    confidence: Float
    kinds: list[str | None]
    ratio: Float32
    on_grids: Index
    grid_ratio: Float32


@dataclass(frozen=True, eq=False)
class _Section:
    """The samples from ``first`` on (n,) float64: those of a section, which begins at ``start``, and of its halo."""

    first: int
    start: int
    stop: int
    samples: Float


def _sections(signal: Signal) -> Iterator[_Section]:
    """The sections of a signal, in order."""
    # The reach of repeats is a number of samples, whatever the rate.
    length, halo = round(SECTION_S * signal.sample_rate), max(round(HALO_S * signal.sample_rate), HALO)
    for start in range(0, signal.count, length):
        stop, first = min(start + length, signal.count), max(start - halo, 0)
        samples = np.asarray(signal.read(first, min(stop + halo, signal.count)), dtype=np.float64)
        yield _Section(first, start, stop, samples)


def search_candidates(signal: Signal) -> CandidateSearch:
    """Search a signal, N >= 1, section by section. What is found does not depend on where sections begin."""
    parts = [_search_section(section, signal.sample_rate) for section in _sections(signal)]
    return CandidateSearch(
        at=np.concatenate([part.at for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        kinds=[kind for part in parts for kind in part.kinds],
        ratio=np.concatenate([part.ratio for part in parts]),
        on_grids=np.concatenate([part.on_grids for part in parts]),
        grid_ratio=np.concatenate([part.grid_ratio for part in parts]),
    )


def _search_section(section: _Section, sample_rate: int) -> CandidateSearch:
    signal, low, high = section.samples, section.start - section.first, section.stop - section.first
    prediction = lpc.predict(signal, sample_rate)
    salience = measure_salience(prediction, sample_rate)
    at = find_candidates(signal, salience, sample_rate)
    at = at[(at >= low) & (at < high)]
    probabilities = class_probabilities(feature_rows(signal, at, prediction, salience, sample_rate))
    on_grids = grid_points(salience.ratio, sample_rate)
    on_grids = on_grids[(on_grids >= low) & (on_grids < high)]
    return CandidateSearch(
        at=at + section.first,
        confidence=1 - probabilities[:, 0],
        kinds=likeliest_kinds(probabilities),
        ratio=salience.ratio[at],
        on_grids=on_grids + section.first,
        grid_ratio=salience.ratio[on_grids],
    )


def ratio_at(signal: Signal, samples: Index) -> Float32:
    """How far the given samples (K,), sorted, stand out, (K,): the sections that they lie in are searched again."""
    result = np.zeros(len(samples), np.float32)
    for section in _sections(signal):
        low, high = np.searchsorted(samples, (section.start, section.stop))
        if low < high:
            salience = measure_salience(lpc.predict(section.samples, signal.sample_rate), signal.sample_rate)
            result[low:high] = salience.ratio[samples[low:high] - section.first]
    return result


def find_candidates(pcm: Float, salience: Salience, sample_rate: int) -> Index:
    """Where pcm (N,) may have a pop -> samples (C,), sorted, about ten a second of speech.

    Candidates are samples that stand out, starts of gaps and starts of exact repeats.
    """
    peaks = local_maxima(salience.ratio, STANDS_OUT, round(APART_S * sample_rate))
    repeats = np.array([start for start, _ in exact_repeats(pcm)], dtype=np.int64)
    exact = np.union1d(gap_starts(pcm, sample_rate), repeats)
    return np.union1d(peaks, exact[~is_near(exact, peaks, round(SAME_PLACE_S * sample_rate))])
