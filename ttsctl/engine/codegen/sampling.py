"""How a request draws: its two samplers, its seed and, for noise as the public package draws it, its generator."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch

from ttsctl.core.config import SamplingConfig
from ttsctl.core.request import Request

Policy = Literal["greedy", "seeded", "free"]

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


def drawn_seed(config: SamplingConfig, request: Request) -> int | None:
    """The seed of a run's draws; None if nothing is drawn.

    ``free`` takes a fresh one from the operating system and reports it, so that a run can be repeated as ``seeded``.
    """
    if generator_policy(config) == "greedy":
        return None
    seed = request_seed(config, request)
    return secrets.randbits(63) if seed is None else seed


def new_generator(config: SamplingConfig, seed: int | None, device: torch.device) -> torch.Generator | None:
    """The request's own generator under ``sampling.noise = "package"``; None if nothing is drawn from one."""
    if seed is None or config.noise != "package":
        return None
    return torch.Generator(device=device).manual_seed(seed)
