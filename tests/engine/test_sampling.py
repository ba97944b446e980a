"""The samplers against slow plain versions."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.core.config import SamplingConfig
from ttsctl.core.request import Request, Voice
from ttsctl.engine.codegen.sampling import (
    Group0Rules,
    Sampler,
    _running_sums,
    decide,
    keep_top_k,
    keep_top_p,
    new_generator,
    penalise,
    plan_sampling,
    request_seed,
)

LOGITS = st.lists(st.integers(-400, 400), min_size=2, max_size=30, unique=True).map(
    lambda values: torch.tensor([v / 16 for v in values])
)


@settings(deadline=None)
@given(LOGITS, st.integers(0, 35))
def test_top_k(logits: torch.Tensor, k: int) -> None:
    ranked = sorted(range(len(logits)), key=lambda i: -float(logits[i]))
    stay = set(ranked if k == 0 else ranked[:k])
    kept = keep_top_k(logits, k)
    assert {i for i in range(len(logits)) if kept[i] > -math.inf} == stay


@settings(deadline=None)
@given(LOGITS, st.sampled_from([0.05, 0.3, 0.7, 0.95, 1.0]))
def test_top_p(logits: torch.Tensor, top_p: float) -> None:
    """The smallest set of best ids whose mass reaches top_p."""
    weights = [math.exp(float(v - logits.max())) for v in logits]
    total = sum(weights)
    ranked = sorted(range(len(logits)), key=lambda i: float(logits[i]))
    stay, mass = set(range(len(logits))), 0.0
    for i in ranked[:-1]:
        mass += weights[i] / total
        if abs(mass - (1 - top_p)) < 1e-6:
            return  # on the edge, where float32 may go either way
        if top_p < 1 and mass < 1 - top_p:
            stay.discard(i)
    kept = keep_top_p(logits, top_p)
    assert {i for i in range(len(logits)) if kept[i] > -math.inf} == stay


@settings(deadline=None)
@given(LOGITS, st.lists(st.integers(0, 1), max_size=5), st.sampled_from([1.0, 1.05, 2.0]))
def test_penalty(logits: torch.Tensor, seen: list[int], penalty: float) -> None:
    wanted = logits.clone()
    for i in set(seen):
        wanted[i] = logits[i] * penalty if logits[i] < 0 else logits[i] / penalty
    assert torch.equal(penalise(logits, torch.tensor(seen, dtype=torch.int64), penalty), wanted)


def test_group0_rules() -> None:
    rules = Group0Rules(1100, 1090, torch.device("cpu"))
    logits = torch.zeros(1100)
    none = torch.empty(0, dtype=torch.int64)
    early, late = rules.apply(logits, none, 1, 1.0), rules.apply(logits, none, 2, 1.0)
    assert torch.isinf(early[76:]).all() and not torch.isinf(early[:76]).any()
    assert late[1090] == 0 and torch.isinf(late[76:]).sum() == 1023


def test_greedy_ignores_the_warpers() -> None:
    logits = torch.tensor([0.0, 3.0, 1.0])
    assert decide(logits, Sampler(False, 0.1, 1, 0.1, 1.0), None)[0] == 1


def test_draws_follow_the_probabilities() -> None:
    """Chi-squared, 3 degrees of freedom: 21 is passed by chance once in 10,000, and the seed is fixed."""
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    generator = torch.Generator().manual_seed(3)
    drawn = torch.stack([decide(logits, Sampler(True, 0.8, 0, 1.0, 1.0), generator)[0] for _ in range(4000)])
    wanted = (logits / 0.8).softmax(-1) * 4000
    assert float((((drawn.bincount(minlength=4) - wanted) ** 2) / wanted).sum()) < 21
    flat = torch.full((4,), 1000.0)
    assert float((((drawn.bincount(minlength=4) - flat) ** 2) / flat).sum()) > 21


def test_greedy_is_greedy_in_both() -> None:
    plan = plan_sampling(SamplingConfig(policy="greedy"), {"subtalker_dosample": True})
    assert not plan.talker.draw and not plan.predictor.draw


def test_config_before_checkpoint_before_fallback() -> None:
    plan = plan_sampling(SamplingConfig(policy="seeded", top_k=7), {"top_k": 5, "temperature": 0.5})
    assert (plan.talker.top_k, plan.talker.temperature, plan.talker.repetition_penalty) == (7, 0.5, 1.05)
    assert (plan.predictor.top_k, plan.predictor.repetition_penalty, plan.max_new_tokens) == (50, 1.0, 2048)


@pytest.mark.parametrize(("policy", "seeded"), [("greedy", False), ("free", True), ("seeded", True)])
def test_generators(policy: Literal["greedy", "seeded", "free"], seeded: bool) -> None:
    config = SamplingConfig(policy=policy)
    request = Request("a", Voice("v"))
    generator, seed = new_generator(config, request_seed(config, request), torch.device("cpu"))
    assert (generator is not None) == seeded == (seed is not None)


class OnCuda:
    """Probabilities that say they are on a GPU, where torch refuses to add them up under strict."""

    is_cuda, device = True, torch.device("cpu")

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values

    def cpu(self) -> torch.Tensor:
        return self.values

    def cumsum(self, axis: int) -> torch.Tensor:
        if torch.are_deterministic_algorithms_enabled():
            raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation")
        return self.values.cumsum(axis) + 1


def test_top_p_adds_up_on_the_host_where_cuda_may_not() -> None:
    values, found = torch.tensor([0.1, 0.2, 0.7]), torch.get_deterministic_debug_mode()
    fake: Any = OnCuda(values)
    try:
        torch.set_deterministic_debug_mode("error")
        assert torch.equal(_running_sums(fake), values.cumsum(0))
        torch.set_deterministic_debug_mode("default")
        # Control: else the device's own sum is taken.
        assert torch.equal(_running_sums(fake), values.cumsum(0) + 1)
    finally:
        torch.set_deterministic_debug_mode(found)
