"""The plan of a request's draws, and their seeds."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from ttsctl.core.config import SamplingConfig
from ttsctl.core.request import Request, Voice
from ttsctl.engine.codegen.sampling import drawn_seed, new_generator, plan_sampling


def test_greedy_is_greedy_in_both() -> None:
    plan = plan_sampling(SamplingConfig(policy="greedy"), {"subtalker_dosample": True})
    assert not plan.talker.draw and not plan.predictor.draw


def test_config_before_checkpoint_before_fallback() -> None:
    plan = plan_sampling(SamplingConfig(policy="seeded", top_k=7), {"top_k": 5, "temperature": 0.5})
    assert (plan.talker.top_k, plan.talker.temperature, plan.talker.repetition_penalty) == (7, 0.5, 1.05)
    assert (plan.predictor.top_k, plan.predictor.repetition_penalty, plan.max_new_tokens) == (50, 1.0, 2048)


@pytest.mark.parametrize(("policy", "seeded"), [("greedy", False), ("free", True), ("seeded", True)])
def test_seeds_and_generators(policy: Literal["greedy", "seeded", "free"], seeded: bool) -> None:
    request, cpu = Request("a", Voice("v")), torch.device("cpu")
    config = SamplingConfig(policy=policy)
    seed = drawn_seed(config, request)
    assert (seed is not None) == seeded
    assert new_generator(config, seed, cpu) is None
    package = SamplingConfig(policy=policy, noise="package")
    assert (new_generator(package, drawn_seed(package, request), cpu) is not None) == seeded
