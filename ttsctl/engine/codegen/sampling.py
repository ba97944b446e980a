"""From logits to an id: the processors in their order, then the best id or a draw from the request's generator."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from ttsctl.core.config import SamplingConfig
from ttsctl.core.request import Request

Policy = Literal["greedy", "seeded", "free"]

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
    """Each setting from the config if set there, else from generation_config.json, else the public package's default.

    The policy greedy holds for both samplers unless ``predictor_policy`` is set. (In the public package the predictor
    goes on sampling under ``do_sample=False``.)
    """

    def value(name: str, key: str) -> Any:
        own = getattr(config, name)
        return own if own is not None else generation.get(key, FALLBACK[key])

    def sampler(policy: Policy, own: str, theirs: str) -> Sampler:
        return Sampler(
            policy != "greedy",
            float(value(f"{own}temperature", f"{theirs}temperature")),
            int(value(f"{own}top_k", f"{theirs}top_k")),
            float(value(f"{own}top_p", f"{theirs}top_p")),
            float(value(f"{own}repetition_penalty", f"{theirs}repetition_penalty")),
        )

    cap = int(value("max_new_tokens", "max_new_tokens"))
    talker, predictor = policies(config)
    return SamplingPlan(sampler(talker, "", ""), sampler(predictor, "predictor_", "subtalker_"), cap)


def policies(config: SamplingConfig) -> tuple[Policy, Policy]:
    """The talker's policy and the predictor's."""
    return config.policy, config.predictor_policy or config.policy


def generator_policy(config: SamplingConfig) -> Policy:
    """The policy of the one generator that both samplers draw from: free if either is, else seeded if either is."""
    both = policies(config)
    return "free" if "free" in both else "seeded" if "seeded" in both else "greedy"


def request_seed(config: SamplingConfig, request: Request) -> int | None:
    """The seed of a request; None if nothing is drawn, or under the policy free.

    ``seed_mode`` fixed: the config's seed. ``content``: the first 63 bits of a sha256 of text and voice, a cloned one
    by the hashes of its prompt.
    """
    if generator_policy(config) != "seeded":
        return None
    if config.seed_mode == "fixed":
        return config.seed
    voice = request.voice
    parts: tuple[str, ...] = (request.text, voice.speaker or "", voice.language, voice.instruct or "")
    if request.prompt is not None:
        parts += (request.prompt.hashes.x_vector, request.prompt.hashes.codes or "")
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def new_generator(
    config: SamplingConfig, seed: int | None, device: torch.device
) -> tuple[torch.Generator | None, int | None]:
    """The request's own generator and its seed; (None, None) if nothing is drawn.

    ``free`` takes a fresh seed from the operating system and reports it, so that a run can be repeated as ``seeded``.
    """
    if generator_policy(config) == "greedy":
        return None, None
    seed = secrets.randbits(63) if seed is None else seed
    return torch.Generator(device=device).manual_seed(seed), seed


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits (vocab,) with those of the ids ``seen`` divided (positive) or multiplied (negative) by ``penalty``."""
    if penalty == 1.0 or seen.numel() == 0:
        return logits
    chosen = logits[seen]
    return logits.index_put((seen,), torch.where(chosen < 0, chosen * penalty, chosen / penalty))


def decide(logits: Tensor, sampler: Sampler, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Processed logits (vocab,) float32 -> the id, int64 scalar, and the scores (vocab,) of which it is the best.

    The scores are the logits themselves or, if the sampler draws, those of ``race`` after temperature, top_k and top_p.
    """
    if not sampler.draw:
        return logits.argmax(), logits
    logits = keep_top_p(keep_top_k(logits / sampler.temperature, sampler.top_k), sampler.top_p)
    scores = race(logits.softmax(-1), generator)
    return scores.argmax(), scores


def race(probabilities: Tensor, generator: torch.Generator | None) -> Tensor:
    """Probabilities (vocab,) divided by exponential noise of rate 1: the index of the largest is a draw from them.

    ``torch.multinomial`` does the same for one draw, so the ids are the same for the same generator; the scores also
    tell the runner-up. The logarithm of a score is log p plus Gumbel noise (Maddison et al., 2014).
    """
    return probabilities / torch.empty_like(probabilities).exponential_(1, generator=generator)


def keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Rule out every logit (vocab,) below the k-th best; 0 = keep all."""
    if top_k == 0 or top_k >= logits.numel():
        return logits
    return logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of best ids whose probabilities reach ``top_p`` (Holtzman et al., 2020); 1 = keep all."""
    if top_p >= 1.0:
        return logits
    ordered, order = logits.sort(descending=False)
    out = _running_sums(ordered.softmax(-1)) <= 1.0 - top_p
    out[-1] = False
    return logits.masked_fill(torch.zeros_like(out).scatter(0, order, out), -torch.inf)


def _running_sums(values: Tensor) -> Tensor:
    """values (n,) -> the sums (n,) up to each.

    On the host if torch requires deterministic algorithms: CUDA has none for this sum, and torch would raise (see
    ``torch.use_deterministic_algorithms``).
    """
    if values.is_cuda and torch.are_deterministic_algorithms_enabled():
        return values.cpu().cumsum(-1).to(values.device)
    return values.cumsum(-1)


class Group0Rules:
    """The talker's logit processors: repetition penalty, minimum length, reserved ids. Their masks are made once."""

    def __init__(self, vocab_size: int, end_token: int, device: torch.device) -> None:
        reserved = torch.zeros(vocab_size, dtype=torch.bool, device=device)
        reserved[max(0, vocab_size - RESERVED_IDS) :] = True
        reserved[end_token] = False
        self.reserved = reserved
        self.end_token = end_token

    def apply(self, logits: Tensor, seen: Tensor, tokens: int, penalty: float) -> Tensor:
        """Logits (vocab,) of token number ``tokens`` (from 0) -> processed. ``seen`` (n,): the group-0 ids so far."""
        processed = penalise(logits.float(), seen, penalty).masked_fill(self.reserved, -torch.inf)
        if tokens < MIN_TOKENS:
            processed[self.end_token] = -torch.inf
        return processed
