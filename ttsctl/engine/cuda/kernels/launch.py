"""Runs the kernels on device tensors; the same names and arguments as the twins. Triton is imported here.

``PER_LAUNCH`` forbids contraction of a product and a sum into one rounding: without it bits would depend on what the
compiler finds to contract.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttsctl.engine.cuda.kernels.device import attention, projections
from ttsctl.engine.cuda.kernels.order import HEAD_LANES, LINEAR_LANES, NORM_LANES, PLACES, lanes
from ttsctl.engine.cuda.kernels.plan import HEAD_WARPS, PER_LAUNCH, ROWS
from ttsctl.engine.cuda.kernels.sizes import CacheLayer, ProjectionWeights


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x (R, K) -> (R, K)."""
    y, k = torch.empty_like(x), x.shape[1]
    run: Any = projections.rms_norm
    run[(1, len(x))](x, weight, y, EPS=eps, K=k, NORM_LANES=lanes(k, NORM_LANES), **PER_LAUNCH)
    return y


def project(
    x: Tensor, weights: ProjectionWeights, cos: Tensor, sin: Tensor, at: Tensor, cache: CacheLayer, reach: int
) -> Tensor:
    """As ``twins.project``."""
    rows, k, d = len(x), x.shape[1], cache.head_dim
    heads = weights.q.shape[0] // d
    q = x.new_empty((rows, heads * d))
    run: Any = projections.project
    run[(heads + 2 * cache.kv_heads, rows)](
        x, weights.norm, weights.q, weights.k, weights.v, weights.q_norm, weights.k_norm, cos, sin, at,
        q, cache.keys, cache.values, cache.capacity,
        EPS=weights.eps, NEW=rows // cache.batch, BATCH=cache.batch, HEADS=heads, KV_HEADS=cache.kv_heads,
        D=d, K=k, LANES=lanes(k, HEAD_LANES), NORM_LANES=lanes(k, NORM_LANES),
        **{**PER_LAUNCH, "num_warps": HEAD_WARPS},
    )  # fmt: skip
    return q


def attend(q: Tensor, at: Tensor, cache: CacheLayer, reach: int) -> Tensor:
    """As ``twins.attend``; ``reach`` is not needed, each row stops at its own position."""
    q, rows, d = q.contiguous(), len(q), cache.head_dim
    heads, out = q.shape[1] // d, torch.empty_like(q)
    run: Any = attention.attend
    run[(heads, rows)](
        q, cache.keys, cache.values, at, out, cache.capacity,
        SCALE=d**-0.5, NEW=rows // cache.batch, BATCH=cache.batch, HEADS=heads, KV_HEADS=cache.kv_heads,
        D=d, PLACES=PLACES, **PER_LAUNCH,
    )  # fmt: skip
    return out


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, residual: Tensor | None = None) -> Tensor:
    """As ``twins.linear``."""
    n, k = weight.shape
    y = x.new_empty((len(x), n))
    run: Any = projections.linear
    run[(-(-n // ROWS), len(x))](
        x, weight, x if bias is None else bias, x if residual is None else residual, y,
        N=n, K=k, ROWS=ROWS, LANES=lanes(k, LINEAR_LANES),
        HAS_BIAS=bias is not None, HAS_RESIDUAL=residual is not None, **PER_LAUNCH,
    )  # fmt: skip
    return y


def gate_up(x: Tensor, norm: Tensor, eps: float, gate: Tensor, up: Tensor) -> Tensor:
    """As ``twins.gate_up``."""
    n, k = gate.shape
    y = x.new_empty((len(x), n))
    run: Any = projections.gate_up
    run[(-(-n // ROWS), len(x))](
        x, norm, gate, up, y,
        EPS=eps, N=n, K=k, ROWS=ROWS, LANES=lanes(k, LINEAR_LANES), NORM_LANES=lanes(k, NORM_LANES), **PER_LAUNCH,
    )  # fmt: skip
    return y
