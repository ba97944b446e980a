"""PCM as a consumer gets it: in chunks of one length, whatever the packets were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ttsctl.core.audio import PcmArray


def chunk_samples(chunk_ms: float, sample_rate: int) -> int:
    """Samples of a chunk of ``chunk_ms``, rounded, at least one."""
    return max(1, round(chunk_ms * sample_rate / 1000))


def rechunk(pieces: Iterable[PcmArray], samples: int) -> Iterator[PcmArray]:
    """Pieces of PCM of any length -> chunks of ``samples``, each as soon as it is full; the last holds the rest.

    A consumer that stops early gets no rest: what was not full when it stopped is dropped.
    """
    rest = np.empty(0, np.float32)
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        while len(rest) >= samples:
            yield rest[:samples]
            rest = rest[samples:]
    if len(rest):
        yield rest
