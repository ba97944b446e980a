"""From logits to ids, for a batch: the processors in their order, then the best id or a draw.

Settings are values on the device, one a sequence, so that a graph captured with some holds for others. Which steps
there are at all is a ``DrawShape``: another shape is another graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ttsctl.engine.codegen.noise import exponential
from ttsctl.engine.codegen.sampling import Sampler

# The reserved ids at the end of the talker's codec vocabulary; of these only the end token may ever be drawn.
RESERVED_IDS = 1024
MIN_TOKENS = 2


@dataclass(frozen=True)
class DrawShape:
    """Which steps a draw has: a draw or the best id, a limit by rank, one by probability, a repetition penalty."""

    draws: bool
    limits_k: bool
    limits_p: bool
    penalises: bool

    @classmethod
    def of(cls, samplers: Sequence[Sampler]) -> DrawShape:
        """The steps that any of the samplers needs; the others' settings leave values as they are. All draw or none."""
        draws = {sampler.draw for sampler in samplers}
        if len(draws) != 1:
            raise ValueError("samplers of one batch: expected all to draw or none")
        return cls(
            draws=draws.pop(),
            limits_k=any(sampler.top_k for sampler in samplers),
            limits_p=any(sampler.top_p < 1.0 for sampler in samplers),
            penalises=any(sampler.repetition_penalty != 1.0 for sampler in samplers),
        )


@dataclass(frozen=True, eq=False)
class SamplerValues:
    """The settings of a batch's samplers, each (B, 1): float32, but ``top_k`` int64 (0 = keep all)."""

    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    penalty: Tensor

    @classmethod
    def new(cls, batch: int, device: torch.device) -> SamplerValues:
        """Settings that leave logits as they are."""
        one = torch.ones((batch, 1), device=device)
        return cls(one, torch.zeros((batch, 1), dtype=torch.int64, device=device), one.clone(), one.clone())

    def set(self, sequence: int, sampler: Sampler) -> None:
        """One sequence's settings, in place."""
        self.temperature[sequence] = sampler.temperature
        self.top_k[sequence] = sampler.top_k
        self.top_p[sequence] = sampler.top_p
        self.penalty[sequence] = sampler.repetition_penalty


class Noise(Protocol):
    """Where a draw's noise comes from."""

    def groups(self, seed: Tensor, frame: Tensor, groups: Tensor, ids: int) -> Iterator[Tensor]:
        """seed, frame (B,), groups (G,) int64 -> exponential noise of rate 1, (B, ids) float32, group after group."""
        ...


class PhiloxNoise:
    """``noise``: keyed by (seed, frame, group, id), the same in any order, batch, graph and on any device."""

    def groups(self, seed: Tensor, frame: Tensor, groups: Tensor, ids: int) -> Iterator[Tensor]:
        return iter(exponential(seed, frame, groups, ids).unbind(1))


class PackageNoise:
    """The request's generator, advanced draw by draw, as the public package does. For one sequence."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def groups(self, seed: Tensor, frame: Tensor, groups: Tensor, ids: int) -> Iterator[Tensor]:
        for _ in range(len(groups)):
            yield torch.empty((1, ids), device=seed.device).exponential_(1, generator=self._generator)


def penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Logits (B, vocab) with those of the ids ``seen`` (B, vocab) bool divided (positive) or multiplied (negative)."""
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def decide(logits: Tensor, shape: DrawShape, values: SamplerValues, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """Processed logits (B, vocab) float32 -> ids (B,) int64, and the scores (B, vocab) of which each is the best.

    The scores are the logits themselves or, if the shape draws, those of ``race`` after temperature, top_k and top_p.
    """
    if not shape.draws:
        return logits.argmax(-1), logits
    if noise is None:
        raise ValueError("a draw needs noise")
    logits = logits / values.temperature
    if shape.limits_k:
        logits = keep_top_k(logits, values.top_k)
    if shape.limits_p:
        logits = keep_top_p(logits, values.top_p)
    scores = race(logits.softmax(-1), noise)
    return scores.argmax(-1), scores


def race(probabilities: Tensor, noise: Tensor) -> Tensor:
    """Probabilities (B, vocab) divided by exponential noise of rate 1: the index of the largest is a draw from them.

    ``torch.multinomial`` does the same for one draw, so the ids are the same for the same noise; the scores also
    tell the runner-up. The logarithm of a score is log p plus Gumbel noise (Maddison et al., 2014).
    """
    return probabilities / noise


def keep_top_k(logits: Tensor, top_k: Tensor) -> Tensor:
    """Rule out every logit (B, vocab) below the k-th best, ``top_k`` (B, 1) int64; 0 = keep all."""
    ordered = logits.sort(-1, descending=True).values
    last = torch.where(top_k == 0, logits.shape[1], top_k).clamp(max=logits.shape[1]) - 1
    return torch.where(logits < ordered.gather(1, last), -torch.inf, logits)


def keep_top_p(logits: Tensor, top_p: Tensor) -> Tensor:
    """Keep the smallest set of best ids whose probabilities reach ``top_p`` (B, 1) (Holtzman et al., 2020)."""
    ordered, order = logits.sort(-1)
    out = running_sums(ordered.softmax(-1)) <= 1.0 - top_p
    best = torch.arange(logits.shape[1], device=logits.device) == logits.shape[1] - 1
    out = (out & ~best).to(torch.int8)
    return torch.where(torch.zeros_like(out).scatter(1, order, out) != 0, -torch.inf, logits)


def running_sums(values: Tensor) -> Tensor:
    """values (B, n) -> the sums up to each, (B, n).

    On CUDA by doubling (Hillis & Steele, 1986): torch has no deterministic sum of this kind there, and refuses its own
    under deterministic algorithms.
    """
    return _sums_by_doubling(values) if values.is_cuda else values.cumsum(-1)


def _sums_by_doubling(values: Tensor) -> Tensor:
    shift, count = 1, values.shape[1]
    while shift < count:
        values = torch.cat([values[:, :shift], values[:, shift:] + values[:, : count - shift]], 1)
        shift *= 2
    return values


class Group0Rules:
    """The talker's logit processors: repetition penalty, minimum length, reserved ids. Their masks are made once."""

    def __init__(self, vocab_size: int, end_token: int, device: torch.device) -> None:
        self.ids = torch.arange(vocab_size, device=device)
        self.is_end = self.ids == end_token
        self.reserved = (self.ids >= max(0, vocab_size - RESERVED_IDS)) & ~self.is_end
        self.end_token = end_token

    def apply(self, logits: Tensor, seen: Tensor, frame: Tensor, values: SamplerValues, penalises: bool) -> Tensor:
        """Logits (B, vocab) of frames ``frame`` (B,) int64 -> processed. ``seen`` (B, vocab) bool: ids so far."""
        processed = logits.float()
        if penalises:
            processed = penalise(processed, seen, values.penalty)
        ruled_out = self.reserved | (self.is_end & (frame < MIN_TOKENS)[:, None])
        return processed.masked_fill(ruled_out, -torch.inf)
