"""All candidates of a recording with what was made of them, section by section."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.candidates import candidates
from ttsctl.audio.pops.classifier import kind_probabilities, likeliest_kind
from ttsctl.audio.pops.features import evidence
from ttsctl.audio.pops.salience import Index, surprise
from ttsctl.audio.pops.seams import showing

# Searched at once, and how far beyond: more than any window, lag or repeat that the search looks at.
SECTION_S = 10.0
HALO_S = 0.3


@dataclass(frozen=True)
class Found:
    """What a signal (N,) shows.

    at (C,): candidates; confidence (C,): probability that each is a pop; kinds: of which kind if so. showing (S,):
    samples that may lie on a grid of seams; ratio (N,): how far each sample stands out (``surprise.Surprise``).
    """

    at: Index
    confidence: Float
    kinds: list[str | None]
    showing: Index
    ratio: NDArray[np.float32]


def search(signal: NDArray[np.floating], sample_rate: int) -> Found:
    """Search a signal (N,), N >= 1; memory beyond one section grows by four bytes a sample."""
    section, halo = round(SECTION_S * sample_rate), round(HALO_S * sample_rate)
    # Frames lie on a grid of hops: sections start on it too, so that it is the same for every section length.
    hop = round(lpc.HOP_S * sample_rate)
    section, halo = section - section % hop, halo - halo % hop
    ratio = np.empty(len(signal), dtype=np.float32)
    parts = []
    for start in range(0, len(signal), section):
        stop, first = min(start + section, len(signal)), max(start - halo, 0)
        part = _search_section(np.asarray(signal[first : stop + halo], dtype=np.float64), sample_rate)
        ratio[start:stop] = part.ratio[start - first : stop - first]
        inside = (part.at >= start - first) & (part.at < stop - first)
        shown = part.showing[(part.showing >= start - first) & (part.showing < stop - first)]
        kinds = [kind for kind, kept in zip(part.kinds, inside.tolist(), strict=True) if kept]
        parts.append(Found(part.at[inside] + first, part.confidence[inside], kinds, shown + first, part.ratio[:0]))
    return Found(
        at=np.concatenate([part.at for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        kinds=[kind for part in parts for kind in part.kinds],
        showing=np.concatenate([part.showing for part in parts]),
        ratio=ratio,
    )


def _search_section(signal: Float, sample_rate: int) -> Found:
    prediction = lpc.predict(signal, sample_rate)
    around = surprise(prediction, sample_rate)
    at = candidates(signal, around, sample_rate)
    probabilities = kind_probabilities(evidence(signal, at, prediction, around, sample_rate))
    return Found(
        at=at,
        confidence=1 - probabilities[:, 0],
        kinds=likeliest_kind(probabilities),
        showing=showing(around.ratio, sample_rate),
        ratio=around.ratio,
    )
