"""Audio as its consumer gets it: in chunks of one length, and as the last stage of a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.fingerprint import fingerprint
from ttsctl.core.request import Chunk
from ttsctl.core.trace import STAGES, Prints, Trace


def chunk_samples(chunk_ms: float, sample_rate: int) -> int:
    """Samples of a chunk of ``chunk_ms``, rounded, at least one."""
    return max(1, round(chunk_ms * sample_rate / 1000))


class Chunker:
    """Cuts the PCM of a stream, piece by piece, into chunks of ``samples``, each stamped by ``now_ms`` as it leaves.

    A chunk leaves once the consumer asks for it, so those of one piece leave one after another. What does not fill a
    chunk waits for the next piece, or for ``rest``.
    """

    def __init__(self, samples: int, now_ms: Callable[[], float]) -> None:
        self._samples = samples
        self._now_ms = now_ms
        self._held = np.empty(0, np.float32)
        self._index = 0
        self._offset = 0

    def push(self, pcm: PcmArray) -> Iterator[Chunk]:
        """The chunks that the next piece (m,) of PCM fills."""
        self._held = np.concatenate([self._held, pcm]) if len(self._held) else pcm
        while len(self._held) >= self._samples:
            yield self._leave(self._samples)

    def rest(self) -> Iterator[Chunk]:
        """What is left at the end, as one shorter chunk; nothing if the last chunk was full."""
        if len(self._held):
            yield self._leave(len(self._held))

    def _leave(self, samples: int) -> Chunk:
        chunk = Chunk(self._index, self._offset, self._held[:samples], self._now_ms())
        self._held = self._held[samples:]
        self._index += 1
        self._offset += samples
        return chunk


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
