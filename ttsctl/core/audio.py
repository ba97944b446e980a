"""Audio: the array, its hash, and a recording with its sample rate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PcmArray = NDArray[np.float32]


def pcm_sha256(pcm: PcmArray) -> str:
    """sha256 in hex over the little-endian float32 bytes of mono PCM."""
    return hashlib.sha256(np.ascontiguousarray(pcm).astype("<f4", copy=False).tobytes()).hexdigest()


@dataclass(frozen=True)
class Audio:
    """Mono PCM: ``pcm (N,) float32`` in [-1, 1] at ``sample_rate`` Hz; ``notes`` say what reading it changed."""

    pcm: PcmArray
    sample_rate: int
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / self.sample_rate
