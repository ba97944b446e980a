"""From logits to an id and its embedding, in one program a row: processors, limits, and a race against Philox noise.

No sort: the k-th best logit and the border of top_p are found bit by bit, by counts and sums of all that lie below.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ttsctl.engine.cuda.kernels.device.math import exp, log, log2, sum_pairs


@triton.jit
def _ordered(x):
    """float32 -> int32 in the same order."""
    bits = x.to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def _kth_best(x, k):
    """The k-th largest of x, float32."""
    key = _ordered(x)
    found = tl.full([1], -(1 << 31), tl.int64)
    step = tl.full([1], 1 << 31, tl.int64)
    for _ in range(32):
        higher = found + step
        reached = tl.sum((key >= higher.to(tl.int32)).to(tl.int32), 0)
        found = tl.where(reached >= k, higher, found)
        step = step >> 1
    key = found.to(tl.int32)
    return (key ^ ((key >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)


@triton.jit
def _probabilities(x, BLOCK: tl.constexpr):
    """softmax of x, 0 where it is -inf."""
    powers = tl.where(x == -float("inf"), 0.0, exp(x - tl.max(x, 0)))
    return tl.div_rn(powers, tl.broadcast_to(sum_pairs(tl.reshape(powers, [1, BLOCK]), 1, BLOCK), [BLOCK]))


@triton.jit
def _below_top_p(x, ids, top_p, BLOCK: tl.constexpr):
    """True for the worst ids whose probabilities add up to at most 1 - top_p; of equal logits the lower id is worse."""
    p = _probabilities(x, BLOCK)
    place = _ordered(x).to(tl.int64) * BLOCK + ids
    border = tl.full([1], -(1 << 31), tl.int64) * BLOCK
    step = tl.full([1], 1 << 31, tl.int64) * BLOCK
    for _ in range(32 + log2(BLOCK)):
        mass = sum_pairs(tl.reshape(tl.where(place < border + step, p, 0.0), [1, BLOCK]), 1, BLOCK)
        border = tl.where(mass <= 1.0 - top_p, border + step, border)
        step = step >> 1
    return (place < border) & (place != tl.max(place, 0))


@triton.jit
def draw(
    logits, seen, penalty, temperature, top_k, top_p, seed, frame, table, ids_out, embedded, processed, scores, group,
    V: tl.constexpr, BLOCK: tl.constexpr, HIDDEN: tl.constexpr, HIDDEN_BLOCK: tl.constexpr,
    FIRST_RESERVED: tl.constexpr, END: tl.constexpr, MIN_TOKENS: tl.constexpr, DRAWS: tl.constexpr,
    LIMITS_K: tl.constexpr, LIMITS_P: tl.constexpr, PENALISES: tl.constexpr,
):  # fmt: skip
    """logits (rows, V), seen (rows, V) bool, settings (rows, 1) -> ids_out (rows,), embedded (rows, HIDDEN).

    Also processed logits and scores, (rows, V) float32. Ids from FIRST_RESERVED on are ruled out, but for
    END, which is before MIN_TOKENS; END -1 = none of this. Grid (rows,).
    """
    row = tl.program_id(0)
    ids = tl.arange(0, BLOCK)
    inside = ids < V
    x = tl.load(logits + row * V + ids, mask=inside, other=-float("inf")).to(tl.float32)
    own_frame = tl.load(frame + row)
    if PENALISES:
        factor = tl.load(penalty + row)
        lowered = tl.where(x < 0, x * factor, tl.div_rn(x, tl.full([BLOCK], 1.0, tl.float32) * factor))
        x = tl.where(tl.load(seen + row * V + ids, mask=inside, other=0) != 0, lowered, x)
    if END >= 0:
        x = tl.where((ids >= FIRST_RESERVED) & (ids != END), -float("inf"), x)
        x = tl.where((ids == END) & (own_frame < MIN_TOKENS), -float("inf"), x)
    tl.store(processed + row * V + ids, x, mask=inside)
    score = x
    if DRAWS:
        x = tl.div_rn(x, tl.full([BLOCK], 1.0, tl.float32) * tl.load(temperature + row))
        if LIMITS_K:
            k = tl.load(top_k + row)
            x = tl.where(x < _kth_best(x, tl.where((k == 0) | (k > V), V, k)), -float("inf"), x)
        if LIMITS_P:
            x = tl.where(_below_top_p(x, ids, tl.load(top_p + row), BLOCK), -float("inf"), x)
        zero = ids * 0
        word, _, _, _ = tl.philox(tl.load(seed + row), ids, zero + group, zero + own_frame.to(tl.int32), zero)
        noise = -log(tl.maximum(tl.random.uint_to_uniform_float(word), 1e-10))
        score = tl.where(inside, tl.div_rn(_probabilities(x, BLOCK), noise), -1.0)
    drawn = tl.argmax(score, 0)
    tl.store(ids_out + row, drawn.to(tl.int64))
    tl.store(scores + row * V + ids, score, mask=inside)
    at = tl.arange(0, HIDDEN_BLOCK)
    value = tl.load(table + drawn.to(tl.int64) * HIDDEN + at, mask=at < HIDDEN, other=0.0)
    tl.store(embedded + row * HIDDEN + at, value, mask=at < HIDDEN)
