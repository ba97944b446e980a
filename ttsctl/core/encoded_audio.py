"""What an engine's encoders make of audio: the codes, the x-vector, and what they were made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray


@dataclass(frozen=True, eq=False)
class EncodedAudio:
    """One file of audio, encoded.

    codes (R, Q) int64, 12.5 Hz. pcm (N,) float32 mono at ``sample_rate``: what the codec encoder took.
    ``sha256``: of the file's bytes. x_vector (D,) float32, None for the reason ``x_vector_reason``. ``id_weights``
    (Q, codebook size) float64: how often each id was used when the codec was trained, in shares; None if the engine
    does not know. ``encode_ms`` and ``x_vector_ms``: wall time of resampling and encoding, without reading and loading.
    """

    codes: CodeArray
    pcm: PcmArray
    sample_rate: int
    sha256: str
    x_vector: NDArray[np.float32] | None
    x_vector_reason: str | None
    id_weights: NDArray[np.float64] | None
    encode_ms: float
    x_vector_ms: float | None
