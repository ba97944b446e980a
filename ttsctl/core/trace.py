"""A run's trace: what every draw decided and the fingerprints of what the network computed, in the order it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TraceLevel = Literal["none", "codes", "stages", "modules"]
# In causal order within a frame. A packet is decoded after all of its frames are generated.
STAGES = (
    "reference",
    "resampling",
    "mel",
    "speaker_encoder",
    "codec_encoder",
    "text",
    "prompt",
    "talker",
    "draw",
    "predictor",
    "codec",
    "packetiser",
)


@dataclass(frozen=True, eq=False)
class Draws:
    """One row a draw, in order: 16 a frame, and one more, of codebook 0 alone, for the token that ended the run.

    frame, codebook (N,) int32. id (N,) int64: what was taken. best (N, 2) int64 and logits (N, 2) float32: the two
    best ids by the score that decides (the processed logits, or those plus the draw's noise when sampling), the best
    first, and their processed logits. gap (N,) float32: the score of the first less that of the second, in logits.
    """

    frame: NDArray[np.int32]
    codebook: NDArray[np.int32]
    id: NDArray[np.int64]
    best: NDArray[np.int64]
    logits: NDArray[np.float32]
    gap: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Prints:
    """Fingerprints (contract.fingerprint) of values, one row a value, in the order of execution.

    ``points`` names the values: a module's path, or a stage's own point. point (N,) int32 indexes it, stage (N,) uint8
    indexes STAGES, frame (N,) int32, codebook (N,) int16 is the one that the value leads to (0 outside of draws and the
    predictor), is_input (N,) bool tells a module's input from its output, value (N,) uint64 is the print.
    """

    points: tuple[str, ...]
    point: NDArray[np.int32]
    stage: NDArray[np.uint8]
    frame: NDArray[np.int32]
    codebook: NDArray[np.int16]
    is_input: NDArray[np.bool_]
    value: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Trace:
    """What ``record.trace`` asked for. ``codegen`` and ``decode`` have no rows below "stages"."""

    level: TraceLevel
    draws: Draws
    codegen: Prints
    decode: Prints


def no_prints() -> Prints:
    return Prints(
        points=(),
        point=np.empty(0, np.int32),
        stage=np.empty(0, np.uint8),
        frame=np.empty(0, np.int32),
        codebook=np.empty(0, np.int16),
        is_input=np.empty(0, np.bool_),
        value=np.empty(0, np.uint64),
    )


def no_draws() -> Draws:
    return Draws(
        frame=np.empty(0, np.int32),
        codebook=np.empty(0, np.int32),
        id=np.empty(0, np.int64),
        best=np.empty((0, 2), np.int64),
        logits=np.empty((0, 2), np.float32),
        gap=np.empty(0, np.float32),
    )
