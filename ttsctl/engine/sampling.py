"""From logits to an id: the processors in their order, then the best id or a draw from the request's generator."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ttsctl.contract.config import SamplingConfig
from ttsctl.contract.engine import Request

# The reserved ids at the end of the talker's codec vocabulary; of these only the end token may ever be drawn.
RESERVED_IDS = 1024
MIN_TOKENS = 2
# What the public package falls back to where generation_config.json is silent.
FALLBACK = MappingProxyType(
    {
        "temperature": 0.9,
        "top_k": 50,
        "top_p": 1.0,
        "repetition_penalty": 1.05,
        "subtalker_temperature": 0.9,
        "subtalker_top_k": 50,
        "subtalker_top_p": 1.0,
        "subtalker_repetition_penalty": 1.0,
        "max_new_tokens": 2048,
    }
)


@dataclass(frozen=True)
class Sampler:
    """How one of the two networks draws. ``draw`` False takes the best id and ignores temperature, top_k and top_p."""

    draw: bool
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float


@dataclass(frozen=True)
class SamplingPlan:
    """What is in force for a request: both samplers and the cap."""

    talker: Sampler
    predictor: Sampler
    max_new_tokens: int


def plan_sampling(config: SamplingConfig, generation: Mapping[str, Any]) -> SamplingPlan:
    """The config where it speaks, else generation_config.json, else the public package's own defaults.

    Greedy is greedy in both samplers. (The public package's ``do_sample=False`` leaves its predictor sampling.)
    """
    draw = config.policy != "greedy"

    def value(name: str, key: str) -> Any:
        own = getattr(config, name)
        return own if own is not None else generation.get(key, FALLBACK[key])

    def sampler(own: str, theirs: str) -> Sampler:
        return Sampler(
            draw,
            float(value(f"{own}temperature", f"{theirs}temperature")),
            int(value(f"{own}top_k", f"{theirs}top_k")),
            float(value(f"{own}top_p", f"{theirs}top_p")),
            float(value(f"{own}repetition_penalty", f"{theirs}repetition_penalty")),
        )

    cap = int(value("max_new_tokens", "max_new_tokens"))
    return SamplingPlan(sampler("", ""), sampler("predictor_", "subtalker_"), cap)


def request_seed(config: SamplingConfig, request: Request) -> int | None:
    """Seed of a request: None if greedy or free, the config's, or the first 63 bits of a sha256 of text and voice."""
    if config.policy != "seeded":
        return None
    if config.seed_mode == "fixed":
        return config.seed
    voice = request.voice
    parts = (request.text, voice.speaker or "", voice.language, voice.instruct or "")
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def new_generator(
    config: SamplingConfig, seed: int | None, device: torch.device
) -> tuple[torch.Generator | None, int | None]:
    """The request's own generator and the seed it started from; (None, None) if nothing is drawn.

    ``free`` takes a fresh seed from the operating system and reports it, so that a run can be repeated as ``seeded``.
    """
    if config.policy == "greedy":
        return None, None
    seed = secrets.randbits(63) if seed is None else seed
    return torch.Generator(device=device).manual_seed(seed), seed


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits (vocab,) with those of the ids ``seen`` divided (positive) or multiplied (negative) by ``penalty``."""
    if penalty == 1.0 or seen.numel() == 0:
        return logits
    chosen = logits[seen]
    return logits.index_put((seen,), torch.where(chosen < 0, chosen * penalty, chosen / penalty))


def pick(logits: Tensor, sampler: Sampler, generator: torch.Generator | None) -> Tensor:
    """Processed logits (vocab,) float32 -> the id, int64 scalar: the best one, or a draw after the three warpers."""
    if not sampler.draw:
        return logits.argmax()
    logits = keep_top_p(keep_top_k(logits / sampler.temperature, sampler.top_k), sampler.top_p)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[0]


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Everything below the k-th best logit out; 0 = all stay."""
    if top_k == 0 or top_k >= logits.numel():
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """The smallest set of best ids whose probabilities reach ``top_p`` stays (Holtzman et al., 2020); 1 = all."""
    if top_p >= 1.0:
        return logits
    ordered, order = logits.sort(descending=False)
    out = ordered.softmax(-1).cumsum(-1) <= 1.0 - top_p
    out[-1] = False
    return logits.masked_fill(torch.zeros_like(out).scatter(0, order, out), -torch.inf)


class Group0Rules:
    """The talker's processors, with their masks made once: penalty, minimum length, reserved ids."""

    def __init__(self, vocab_size: int, end_token: int, device: torch.device) -> None:
        reserved = torch.zeros(vocab_size, dtype=torch.bool, device=device)
        reserved[max(0, vocab_size - RESERVED_IDS) :] = True
        reserved[end_token] = False
        self.reserved = reserved
        self.end_token = end_token

    def apply(self, logits: Tensor, seen: Tensor, tokens: int, penalty: float) -> Tensor:
        """Logits (vocab,) of token number ``tokens`` (from 0), with the group-0 ids ``seen`` so far."""
        processed = penalise(logits.float(), seen, penalty).masked_fill(self.reserved, -torch.inf)
        if tokens < MIN_TOKENS:
            processed[self.end_token] = -torch.inf
        return processed
