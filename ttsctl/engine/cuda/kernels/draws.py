"""A draw and the embedding of the drawn id: by the kernel on CUDA tensors, by its torch twin on CPU tensors.

The order of every sum over a vocabulary is that of neighbours in pairs, over the next power of two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttsctl.engine.codegen.draw_steps import Draw, Drawn, TorchDraws
from ttsctl.engine.codegen.draws import MIN_TOKENS, RESERVED_IDS, DrawShape, keep_top_k, penalise
from ttsctl.engine.codegen.noise import philox, uniform
from ttsctl.engine.cuda.kernels.order import power_of_two
from ttsctl.engine.cuda.kernels.plan import HEAD_WARPS, PER_LAUNCH
from ttsctl.engine.cuda.kernels.twins import exp, lane_sums, log

LEAST_UNIFORM = 1e-10


class TritonDraws:
    """``backend.kernels = triton``: one launch a draw on CUDA. Noise from a generator leaves the draw to torch."""

    has_noise = True

    def draw(self, draw: Draw) -> Drawn:
        if draw.noise is not None:
            return TorchDraws().draw(draw)
        return draw_by_kernel(draw) if draw.logits.is_cuda else draw_by_twin(draw)


def draw_by_twin(draw: Draw) -> Drawn:
    """In torch operations; every row's bits are its own."""
    logits = draw.logits.float()
    vocabulary = logits.shape[1]
    ids, end = torch.arange(vocabulary, device=logits.device), _end_token(draw)
    if draw.shape.penalises:
        logits = penalise(logits, draw.seen, draw.values.penalty)
    if end is not None:
        is_end = ids == end
        ruled_out = (ids >= vocabulary - RESERVED_IDS) & ~is_end
        early = (draw.frame < MIN_TOKENS)[:, None]
        logits = logits.masked_fill(ruled_out | (is_end & early), -torch.inf)
    scores = logits
    if draw.shape.draws:
        x = logits / draw.values.temperature
        if draw.shape.limits_k:
            x = keep_top_k(x, draw.values.top_k)
        if draw.shape.limits_p:
            x = torch.where(_below_top_p(x, draw.values.top_p), -torch.inf, x)
        group = torch.tensor([draw.group], device=logits.device)
        uniforms = uniform(philox(draw.seed, draw.frame, group, vocabulary))[:, 0]
        scores = _probabilities(x) / -log(uniforms.clamp(min=LEAST_UNIFORM))
    drawn = scores.argmax(-1)
    return Drawn(drawn, torch.nn.functional.embedding(drawn, draw.table), logits, scores)


def draw_by_kernel(draw: Draw) -> Drawn:
    """By one launch of the kernel, in one program a row."""
    from ttsctl.engine.cuda.kernels.device import draw as kernels

    logits, values = draw.logits.contiguous(), draw.values
    rows, vocabulary = logits.shape
    hidden = draw.table.shape[1]
    ids = torch.empty(rows, dtype=torch.int64, device=logits.device)
    embedded = draw.table.new_empty((rows, hidden))
    processed, scores = (logits.new_empty((rows, vocabulary), dtype=torch.float32) for _ in range(2))
    run: Any = kernels.draw
    seen = draw.seen.contiguous().view(torch.uint8)
    run[(rows,)](
        logits, seen, values.penalty, values.temperature, values.top_k, values.top_p,
        draw.seed, draw.frame, draw.table, ids, embedded, processed, scores, draw.group,
        **constants(draw.shape, vocabulary, hidden, _end_token(draw)), **{**PER_LAUNCH, "num_warps": HEAD_WARPS},
    )  # fmt: skip
    return Drawn(ids, embedded, processed, scores)


def _end_token(draw: Draw) -> int | None:
    return None if draw.rules is None else draw.rules.end_token


def constants(shape: DrawShape, vocabulary: int, hidden: int, end_token: int | None) -> dict[str, Any]:
    """The kernel's constants: what there is to do at all, and sizes; no setting of a request."""
    return {
        "V": vocabulary,
        "BLOCK": power_of_two(vocabulary),
        "HIDDEN": hidden,
        "HIDDEN_BLOCK": power_of_two(hidden),
        "FIRST_RESERVED": vocabulary - RESERVED_IDS,
        "END": -1 if end_token is None else end_token,
        "MIN_TOKENS": MIN_TOKENS,
        "DRAWS": shape.draws,
        "LIMITS_K": shape.limits_k,
        "LIMITS_P": shape.limits_p,
        "PENALISES": shape.penalises,
    }


def _probabilities(x: Tensor) -> Tensor:
    powers = torch.where(x == -torch.inf, 0.0, exp(x - x.amax(-1, keepdim=True)))
    return powers / lane_sums(powers, power_of_two(x.shape[1]))[:, None]


def _below_top_p(x: Tensor, top_p: Tensor) -> Tensor:
    """As the kernel's: a border among (logit, id), found bit by bit."""
    block = power_of_two(x.shape[1])
    p = _probabilities(x)
    bits = x.contiguous().view(torch.int32)
    place = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() * block + torch.arange(x.shape[1], device=x.device)
    border = torch.full_like(place[:, :1], -(1 << 31) * block)
    step = (1 << 31) * block
    while step:
        mass = lane_sums(torch.where(place < border + step, p, 0.0), block)[:, None]
        border = torch.where(mass <= 1.0 - top_p, border + step, border)
        step //= 2
    return (place < border) & (place != place.amax(-1, keepdim=True))
