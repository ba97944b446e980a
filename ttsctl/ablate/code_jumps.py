"""How far the codes jump from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError


@dataclass(frozen=True)
class JumpDistribution:
    """Percentiles (linear interpolation) and maximum of a set of jumps, in ids."""

    p50: float
    p95: float
    p99: float
    max: int


@dataclass(frozen=True)
class CodeJumps:
    """|c[t] - c[t-1]| of codes (T, Q), in ids. Ids are names: a jump hints at a change and is not a distance.

    per_codebook (T-1, Q) int64: row t-1 is the step into frame t. frame_max (T-1,) int64 and frame_mean (T-1,) float64
    are over the codebooks. The distributions are None, with ``reason``, for a single frame, which has no step.
    """

    per_codebook: NDArray[np.int64]
    frame_max: NDArray[np.int64]
    frame_mean: NDArray[np.float64]
    overall: JumpDistribution | None
    by_codebook: tuple[JumpDistribution, ...] | None
    reason: str | None = None


def code_jumps(codes: CodeArray) -> CodeJumps:
    """Jumps of codes (T, Q) int64, with ids inside their codebooks; InputError unless T and Q are at least 1."""
    if codes.ndim != 2 or codes.size == 0:
        raise InputError(f"codes: expected (T, Q) with at least one frame, got {codes.shape}", "give a whole dump")
    steps = np.abs(np.diff(codes, axis=0))
    if not len(steps):
        none = np.zeros(0, dtype=np.int64)
        return CodeJumps(steps, none, none.astype(np.float64), None, None, "a single frame has no step")
    return CodeJumps(
        per_codebook=steps,
        frame_max=steps.max(axis=1),
        frame_mean=steps.mean(axis=1),
        overall=_distribution(steps.ravel()),
        by_codebook=tuple(_distribution(column) for column in steps.T),
    )


def _distribution(jumps: NDArray[np.int64]) -> JumpDistribution:
    p50, p95, p99 = (float(p) for p in np.percentile(jumps, (50, 95, 99)))
    return JumpDistribution(p50, p95, p99, int(jumps.max()))
