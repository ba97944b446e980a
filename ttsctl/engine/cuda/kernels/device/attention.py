"""Attention of one query over the filled places of a fixed cache; how many are filled is read from the device."""

from __future__ import annotations

import triton
import triton.language as tl

from ttsctl.engine.cuda.kernels.device.math import exp, rounded, sum_first_pairs, sum_pairs


@triton.jit
def _scores(query, keys, place, filled, D: tl.constexpr, PLACES: tl.constexpr):
    d = tl.arange(0, D)
    k = tl.load(keys + place[:, None] * D + d[None, :], mask=place[:, None] < filled, other=0.0).to(tl.float32)
    return tl.where(place < filled, sum_pairs(k * query[None, :], PLACES, D), -float("inf"))


@triton.jit
def attend(
    q, keys, values, at, out, capacity,
    SCALE: tl.constexpr, NEW: tl.constexpr, BATCH: tl.constexpr, HEADS: tl.constexpr, KV_HEADS: tl.constexpr,
    D: tl.constexpr, PLACES: tl.constexpr,
):  # fmt: skip
    """softmax(q · k) · v over places 0..at, twice over the keys: first for the largest score. Grid (HEADS, rows).

    q and out (rows, HEADS, D), keys and values (KV_HEADS, BATCH, capacity, D), at (rows,) int64. Scores and
    probabilities stay float32.
    """
    head, row = tl.program_id(0), tl.program_id(1)
    filled = tl.load(at + row) + 1
    d, place = tl.arange(0, D), tl.arange(0, PLACES)
    query = tl.load(q + (row * HEADS + head) * D + d).to(tl.float32) * SCALE
    first = ((head // (HEADS // KV_HEADS)).to(tl.int64) * BATCH + row // NEW) * capacity * D
    best = tl.full([PLACES], -float("inf"), dtype=tl.float32)
    for start in range(0, filled, PLACES):
        best = tl.maximum(best, _scores(query, keys + first, start + place, filled, D, PLACES))
    largest = tl.max(best, 0)
    weight = tl.zeros([PLACES], dtype=tl.float32)
    total = tl.zeros([PLACES, D], dtype=tl.float32)
    for start in range(0, filled, PLACES):
        here = start + place
        score = _scores(query, keys + first, here, filled, D, PLACES)
        p = tl.where(here < filled, exp(score - largest), 0.0)
        inside = here[:, None] < filled
        v = tl.load(values + first + here[:, None] * D + d[None, :], mask=inside, other=0.0).to(tl.float32)
        weight += p
        total += p[:, None] * v
    mean = tl.div_rn(sum_first_pairs(total, PLACES, D), sum_pairs(tl.reshape(weight, [1, PLACES]), 1, PLACES))
    tl.store(out + (row * HEADS + head) * D + d, rounded(mean, out.dtype.element_ty).to(out.dtype.element_ty))
