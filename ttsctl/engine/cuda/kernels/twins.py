"""The kernels in torch operations that add in the same order: for a CPU, and to check the kernels against.

Everything is elementwise over (rows, outputs, lanes), so that a row's bits do not depend on its batch. The names and
arguments are those of ``launch.py``. Rows are (R, ...), in float32 or bfloat16; ``at`` (R,) int64 their positions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ttsctl.engine.cuda.kernels.order import HEAD_LANES, LINEAR_LANES, NORM_LANES, PLACES, lanes
from ttsctl.engine.cuda.kernels.sizes import CacheLayer, ProjectionWeights


def sum_pairs(x: Tensor) -> Tensor:
    """(..., lanes) float32 -> (...): neighbouring lanes are added until one is left."""
    while x.shape[-1] > 1:
        even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
        x = even + odd
    return x[..., 0]


def lane_sums(x: Tensor, width: int) -> Tensor:
    """The sums (...) of x (..., K) float32 over ``width`` lanes, in the order of ``order.py``."""
    blocks = _padded(x, width).unflatten(-1, (-1, width)).unbind(-2)
    total = blocks[0] + 0.0
    for block in blocks[1:]:
        total = total + block
    return sum_pairs(total)


def products(x: Tensor, weight: Tensor, most: int) -> Tensor:
    """x (R, K) · weight (N, K) -> (R, N) float32."""
    width = lanes(x.shape[1], most)
    # Lanes first, so that neighbours are whole rows of (R, N), which a CPU adds several at a time.
    left = _padded(x.float(), width).t().unflatten(0, (-1, width))[..., None]
    right = _padded(weight.float(), width).t().contiguous().unflatten(0, (-1, width))[:, :, None]
    # (width, R, 1) · (width, 1, N); never contracted into a fused multiply-add.
    total = right[0] * left[0] + 0.0
    for one, other in zip(left[1:], right[1:], strict=True):
        total = total + other * one
    while len(total) > 1:
        total = total[0::2] + total[1::2]
    return total[0]


def exp(x: Tensor) -> Tensor:
    """As ``device.math.exp``."""
    x = x.clamp(-87.0, 88.0)
    n = (x * 1.44269504088896341 + 0.5).floor_()
    r = x - n * 0.693359375
    r = r - n * -2.12194440e-4
    y = r * 1.9875691500e-4 + 1.3981999507e-3
    for coefficient in (8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        y = y.mul_(r).add_(coefficient)
    y = y.mul_(r * r).add_(r).add_(1.0)
    return y * ((n.to(torch.int32) + 127) << 23).view(torch.float32)


def log(x: Tensor) -> Tensor:
    """As ``device.math.log``."""
    bits = x.contiguous().view(torch.int32)
    m = ((bits & 0x007FFFFF) | 0x3F000000).view(torch.float32)
    small = m < 0.70710678118654752440
    e = ((bits >> 23) - torch.where(small, 127, 126)).float()
    m = torch.where(small, m + m, m) - 1.0
    z = m * m
    y = m * 7.0376836292e-2 + -1.1514610310e-1
    for coefficient in (
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ):
        y = y.mul_(m).add_(coefficient)
    y = y.mul_(m).mul_(z)
    y = y + e * -2.12194440e-4
    y = y - z * 0.5
    return (m + y) + e * 0.693359375


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMSNorm over the last axis of x, rounded as ``RMSNorm`` of the layers rounds."""
    wide, size = x.float(), x.shape[-1]
    mean = lane_sums(wide * wide, lanes(size, NORM_LANES)) / size
    # The root in float64: torch's own in float32 (MKL's) is not rounded correctly; this one, rounded again, is.
    factor = 1.0 / (mean + eps).double().sqrt().float()
    return weight * (wide * factor[..., None]).to(x.dtype)


def project(
    x: Tensor, weights: ProjectionWeights, cos: Tensor, sin: Tensor, at: Tensor, cache: CacheLayer, reach: int
) -> Tensor:
    """Norm, q, k and v of x (R, K), norm and rotation of q and k; k and v to the cache -> queries (R, heads · d)."""
    rows, d, kv_heads = len(x), cache.head_dim, cache.kv_heads
    hidden = rms_norm(x, weights.norm, weights.eps)
    all_heads = products(hidden, torch.cat([weights.q, weights.k, weights.v]), HEAD_LANES).to(x.dtype)
    q_and_k, v = all_heads.view(rows, -1, d).split((all_heads.shape[1] // d - kv_heads, kv_heads), 1)
    heads = q_and_k.shape[1] - kv_heads
    norms = torch.cat([weights.q_norm.expand(heads, d), weights.k_norm.expand(kv_heads, d)])
    q, k = _rotated(rms_norm(q_and_k, norms, weights.eps), cos[at][:, None], sin[at][:, None]).split(
        (heads, kv_heads), 1
    )
    sequences = torch.arange(rows, device=x.device) // (rows // cache.batch)
    places = sequences * cache.capacity + at
    cache.keys.flatten(1, 2).index_copy_(1, places, k.transpose(0, 1))
    cache.values.flatten(1, 2).index_copy_(1, places, v.transpose(0, 1))
    return q.flatten(1)


def attend(q: Tensor, at: Tensor, cache: CacheLayer, reach: int) -> Tensor:
    """Queries (R, heads · d) over the places 0..at of each, all below ``reach`` -> (R, heads · d).

    What stands beyond is multiplied by no more than a zero that is then left out, so ``reach`` decides no bits.
    """
    d, new = cache.head_dim, len(q) // cache.batch
    query = q.float().view(cache.batch, new, cache.kv_heads, -1, 1, d) * d**-0.5
    # (batch, 1, kv_heads, 1, reach, d)
    keys, values = (part[:, :, :reach].float().transpose(0, 1)[:, None, :, None] for part in (cache.keys, cache.values))
    filled = torch.arange(keys.shape[4], device=q.device) <= at.view(cache.batch, new, 1, 1, 1)
    scores = torch.where(filled, sum_pairs(keys * query), -torch.inf)
    p = torch.where(filled, exp(scores - scores.amax(-1, keepdim=True)), 0.0)
    weighted = torch.where(filled[..., None], p[..., None] * values, 0.0)
    total = lane_sums(weighted.transpose(-1, -2), PLACES)
    return (total / lane_sums(p, PLACES)[..., None]).to(q.dtype).reshape(len(q), -1)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, residual: Tensor | None = None) -> Tensor:
    """x (R, K) · weight (N, K) + bias, rounded; then added to ``residual`` (R, N), and rounded again."""
    out = products(x, weight, LINEAR_LANES)
    out = (out if bias is None else out + bias.float()).to(x.dtype)
    return out if residual is None else residual + out


def gate_up(x: Tensor, norm: Tensor, eps: float, gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up of the normed x (R, K) -> (R, N)."""
    hidden = rms_norm(x, norm, eps)
    g, u = products(hidden, torch.cat([gate, up]), LINEAR_LANES).to(x.dtype).chunk(2, 1)
    wide = g.float()
    return (wide / (1.0 + exp(-wide))).to(x.dtype) * u


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


def _padded(x: Tensor, width: int) -> Tensor:
    """x with zeros after its last axis, up to a multiple of ``width``."""
    missing = -x.shape[-1] % width
    return F.pad(x, (0, missing)) if missing else x
