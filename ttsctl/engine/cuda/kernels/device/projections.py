"""The products with weights: grid (blocks of output rows, rows of the batch).

Storage is float32 or bfloat16, sums are float32. Values are rounded to the storage's dtype where the modules of
``engine/model/layers.py`` round them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ttsctl.engine.cuda.kernels.device.math import exp, normed, rms_factor, rounded, sum_pairs


@triton.jit
def project(
    x, norm, wq, wk, wv, q_norm, k_norm, cos, sin, at, q, keys, values, capacity,
    EPS: tl.constexpr, NEW: tl.constexpr, BATCH: tl.constexpr, HEADS: tl.constexpr, KV_HEADS: tl.constexpr,
    D: tl.constexpr, K: tl.constexpr, LANES: tl.constexpr, NORM_LANES: tl.constexpr,
):  # fmt: skip
    """Norm, one head of q, k or v, its norm and rotation; q to ``q``, k and v to the cache. Grid (all heads, rows).

    x (rows, K), at (rows,) int64, q (rows, HEADS, D), keys and values (KV_HEADS, BATCH, capacity, D).
    """
    head, row = tl.program_id(0), tl.program_id(1)
    dtype: tl.constexpr = x.dtype.element_ty
    is_q, is_k = head < HEADS, (head >= HEADS) & (head < HEADS + KV_HEADS)
    own = tl.where(is_q, head, tl.where(is_k, head - HEADS, head - HEADS - KV_HEADS))
    # As numbers, so that one load serves the three weights.
    weight = wv.to(tl.int64)
    weight = tl.where(is_k, wk.to(tl.int64), weight)
    weight = tl.where(is_q, wq.to(tl.int64), weight)
    weight = tl.multiple_of(weight, 16).to(wq.dtype)
    factor = rms_factor(x, row, EPS, K, NORM_LANES)
    lane, d = tl.arange(0, LANES), tl.arange(0, D)
    total = tl.zeros([D, LANES], dtype=tl.float32)
    for start in range(0, K, LANES):
        here = start + lane
        value = normed(x, norm, row, here, factor, K)
        w = tl.load(weight + (own * D + d[:, None]) * K + here[None, :], mask=here[None, :] < K, other=0.0)
        total += w.to(tl.float32) * value[None, :]
    y = rounded(sum_pairs(total, D, LANES), dtype)
    place = tl.load(at + row)
    cached = ((own.to(tl.int64) * BATCH + row // NEW) * capacity + place) * D
    if head >= HEADS + KV_HEADS:
        tl.store(values + cached + d, y.to(dtype))
    else:
        mean = tl.div_rn(sum_pairs(tl.reshape(y * y, [1, D]), 1, D), tl.full([1], D, tl.float32))
        y = rounded(y * tl.div_rn(tl.full([1], 1.0, tl.float32), tl.sqrt_rn(mean + EPS)), dtype)
        if is_q:
            y = rounded(tl.load(q_norm + d).to(tl.float32) * y, dtype)
        else:
            y = rounded(tl.load(k_norm + d).to(tl.float32) * y, dtype)
        low, high = tl.split(tl.permute(tl.reshape(y, [2, D // 2]), [1, 0]))
        half = tl.arange(0, D // 2)
        c, s = cos + place * D, sin + place * D
        c_low, c_high = tl.load(c + half).to(tl.float32), tl.load(c + D // 2 + half).to(tl.float32)
        s_low, s_high = tl.load(s + half).to(tl.float32), tl.load(s + D // 2 + half).to(tl.float32)
        new_low = rounded(rounded(low * c_low, dtype) - rounded(high * s_low, dtype), dtype)
        new_high = rounded(rounded(high * c_high, dtype) + rounded(low * s_high, dtype), dtype)
        if is_q:
            out = q + (row * HEADS + own) * D
            tl.store(out + half, new_low.to(dtype))
            tl.store(out + D // 2 + half, new_high.to(dtype))
        else:
            tl.store(keys + cached + half, new_low.to(dtype))
            tl.store(keys + cached + D // 2 + half, new_high.to(dtype))


@triton.jit
def linear(
    x, weight, bias, residual, y,
    N: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr,
    HAS_BIAS: tl.constexpr, HAS_RESIDUAL: tl.constexpr,
):  # fmt: skip
    """y (rows, N) = x (rows, K) · weight (N, K), plus bias (N,), rounded, plus residual (rows, N), rounded."""
    row = tl.program_id(1)
    dtype: tl.constexpr = x.dtype.element_ty
    n, lane = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, LANES)
    total = tl.zeros([ROWS, LANES], dtype=tl.float32)
    for start in range(0, K, LANES):
        here = start + lane
        value = tl.load(x + row * K + here, mask=here < K, other=0.0).to(tl.float32)
        inside = (n[:, None] < N) & (here[None, :] < K)
        w = tl.load(weight + n[:, None].to(tl.int64) * K + here[None, :], mask=inside, other=0.0)
        total += w.to(tl.float32) * value[None, :]
    out = sum_pairs(total, ROWS, LANES)
    if HAS_BIAS:
        out += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)
    if HAS_RESIDUAL:
        out = tl.load(residual + row * N + n, mask=n < N, other=0.0).to(tl.float32) + rounded(out, dtype)
    tl.store(y + row * N + n, rounded(out, dtype).to(dtype), mask=n < N)


@triton.jit
def gate_up(
    x, norm, gate, up, y,
    EPS: tl.constexpr, N: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr,
    NORM_LANES: tl.constexpr,
):  # fmt: skip
    """y (rows, N) = silu(g) · u of the normed x (rows, K): g and u are its products with gate and up (N, K)."""
    row = tl.program_id(1)
    dtype: tl.constexpr = x.dtype.element_ty
    n, lane = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, LANES)
    factor = rms_factor(x, row, EPS, K, NORM_LANES)
    g_total = tl.zeros([ROWS, LANES], dtype=tl.float32)
    u_total = tl.zeros([ROWS, LANES], dtype=tl.float32)
    for start in range(0, K, LANES):
        here = start + lane
        value = normed(x, norm, row, here, factor, K)[None, :]
        inside = (n[:, None] < N) & (here[None, :] < K)
        at = n[:, None].to(tl.int64) * K + here[None, :]
        g_total += tl.load(gate + at, mask=inside, other=0.0).to(tl.float32) * value
        u_total += tl.load(up + at, mask=inside, other=0.0).to(tl.float32) * value
    g = rounded(sum_pairs(g_total, ROWS, LANES), dtype)
    u = rounded(sum_pairs(u_total, ROWS, LANES), dtype)
    silu = rounded(tl.div_rn(g, 1.0 + exp(-g)), dtype)
    tl.store(y + row * N + n, rounded(silu * u, dtype).to(dtype), mask=n < N)


@triton.jit
def rms_norm(x, weight, y, EPS: tl.constexpr, K: tl.constexpr, NORM_LANES: tl.constexpr):
    """y (rows, K) = RMSNorm of x (rows, K). Grid (1, rows)."""
    row = tl.program_id(1)
    lane = tl.arange(0, NORM_LANES)
    factor = rms_factor(x, row, EPS, K, NORM_LANES)
    for start in tl.static_range(0, K, NORM_LANES):
        here = start + lane
        tl.store(y + row * K + here, normed(x, weight, row, here, factor, K).to(x.dtype.element_ty), mask=here < K)
