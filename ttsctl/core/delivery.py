"""Audio as its consumer gets it: in chunks of one length, and as the last stage of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.fingerprint import fingerprint
from ttsctl.core.trace import STAGES, Prints, Trace


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


def with_delivered(trace: Trace, pcm: PcmArray, frame_samples: int) -> Trace:
    """The trace and, where its level has prints, one more a frame of ``pcm`` (N,): the stage ``packetiser``.

    Samples are counted as they left, so under legacy padding a frame's print is not of that frame's codes alone.
    """
    if trace.level in ("none", "codes"):
        return trace
    values = [fingerprint(pcm[start : start + frame_samples]) for start in range(0, len(pcm), frame_samples)]
    old, count = trace.decode, len(values)
    decode = Prints(
        points=(*old.points, "packetiser"),
        point=np.append(old.point, np.full(count, len(old.points), old.point.dtype)),
        stage=np.append(old.stage, np.full(count, STAGES.index("packetiser"), old.stage.dtype)),
        frame=np.append(old.frame, np.arange(count, dtype=old.frame.dtype)),
        codebook=np.append(old.codebook, np.zeros(count, old.codebook.dtype)),
        is_input=np.append(old.is_input, np.zeros(count, np.bool_)),
        value=np.append(old.value, np.array(values, np.uint64)),
    )
    return replace(trace, decode=decode)
