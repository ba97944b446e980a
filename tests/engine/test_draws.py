"""Draws of a batch against slow plain versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.engine.codegen.draws import (
    DrawShape,
    Group0Rules,
    PhiloxNoise,
    SamplerValues,
    _sums_by_doubling,
    decide,
    keep_top_k,
    keep_top_p,
    penalise,
)
from ttsctl.engine.codegen.sampling import Sampler

LOGITS = st.lists(st.integers(-400, 400), min_size=2, max_size=30, unique=True).map(
    lambda values: torch.tensor([v / 16 for v in values])
)


@settings(deadline=None)
@given(LOGITS, st.integers(0, 35))
def test_top_k(logits: torch.Tensor, k: int) -> None:
    ranked = sorted(range(len(logits)), key=lambda i: -float(logits[i]))
    stay = set(ranked if k == 0 else ranked[:k])
    kept = keep_top_k(logits[None], torch.tensor([[k]]))[0]
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
    kept = keep_top_p(logits[None], torch.tensor([[top_p]]))[0]
    assert {i for i in range(len(logits)) if kept[i] > -math.inf} == stay


@settings(deadline=None)
@given(LOGITS, st.lists(st.integers(0, 1), max_size=5), st.sampled_from([1.0, 1.05, 2.0]))
def test_penalty(logits: torch.Tensor, seen: list[int], penalty: float) -> None:
    wanted = logits.clone()
    mask = torch.zeros((1, len(logits)), dtype=torch.bool)
    mask[0, seen] = True
    for i in set(seen):
        wanted[i] = logits[i] * penalty if logits[i] < 0 else logits[i] / penalty
    assert torch.equal(penalise(logits[None], mask, torch.tensor([[penalty]]))[0], wanted)


def values(sampler: Sampler) -> SamplerValues:
    made = SamplerValues.new(1, torch.device("cpu"))
    made.set(0, sampler)
    return made


def noise_of(seed: int, frame: int, ids: int) -> torch.Tensor:
    return next(PhiloxNoise().groups(torch.tensor([seed]), torch.tensor([frame]), torch.tensor([0]), ids))


def test_group0_rules() -> None:
    rules = Group0Rules(1100, 1090, torch.device("cpu"))
    logits, none = torch.zeros((2, 1100)), torch.zeros((2, 1100), dtype=torch.bool)
    plain = SamplerValues.new(2, torch.device("cpu"))
    early, late = rules.apply(logits, none, torch.tensor([1, 2]), plain, True)
    assert torch.isinf(early[76:]).all() and not torch.isinf(early[:76]).any()
    assert late[1090] == 0 and torch.isinf(late[76:]).sum() == 1023


def test_greedy_ignores_the_warpers() -> None:
    logits, sampler = torch.tensor([[0.0, 3.0, 1.0]]), Sampler(False, 0.1, 1, 0.1, 1.0)
    assert decide(logits, DrawShape.of([sampler]), values(sampler), None)[0].tolist() == [1]


def test_draws_follow_the_probabilities() -> None:
    """Chi-squared, 3 degrees of freedom: 21 is passed by chance once in 10,000, and the seed is fixed."""
    logits, sampler = torch.tensor([[0.0, 1.0, 2.0, -1.0]]), Sampler(True, 0.8, 0, 1.0, 1.0)
    shape = DrawShape.of([sampler])
    noise = [noise_of(3, frame, 4) for frame in range(4000)]
    drawn = torch.cat([decide(logits, shape, values(sampler), one)[0] for one in noise])
    wanted = (logits[0] / 0.8).softmax(-1) * 4000
    assert float((((drawn.bincount(minlength=4) - wanted) ** 2) / wanted).sum()) < 21
    flat = torch.full((4,), 1000.0)
    assert float((((drawn.bincount(minlength=4) - flat) ** 2) / flat).sum()) > 21


def test_a_row_of_a_batch_is_drawn_as_alone() -> None:
    """Rows with settings of their own, among them some that leave values as they are."""
    samplers = [Sampler(True, 0.7, 5, 0.6, 1.2), Sampler(True, 1.3, 0, 1.0, 1.0), Sampler(True, 0.9, 50, 0.9, 1.05)]
    logits = torch.randn((3, 60), generator=torch.Generator().manual_seed(1)) * 3
    together = SamplerValues.new(3, torch.device("cpu"))
    noise = torch.cat([noise_of(seed, 4, 60) for seed in (5, 6, 7)])
    for row, sampler in enumerate(samplers):
        together.set(row, sampler)
    ids, scores = decide(logits, DrawShape.of(samplers), together, noise)
    for row, sampler in enumerate(samplers):
        alone = decide(logits[row : row + 1], DrawShape.of([sampler]), values(sampler), noise[row : row + 1])
        assert torch.equal(scores[row], alone[1][0]) and ids[row] == alone[0][0]
    assert not torch.equal(
        scores[0], decide(logits[:1], DrawShape.of(samplers[1:2]), values(samplers[1]), noise[:1])[1][0]
    )


def test_all_draw_or_none() -> None:
    with pytest.raises(ValueError, match="all to draw or none"):
        DrawShape.of([Sampler(True, 1.0, 0, 1.0, 1.0), Sampler(False, 1.0, 0, 1.0, 1.0)])


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40))
def test_sums_by_doubling(numbers: list[float]) -> None:
    """As the sums one after another; each addition rounds by at most 2^-24 of the sum."""
    sums = _sums_by_doubling(torch.tensor([numbers, numbers[::-1]]))
    for row, order in zip(sums, (numbers, numbers[::-1]), strict=True):
        wanted = np.cumsum(np.array(order, np.float64))
        assert np.all(np.abs(row.numpy() - wanted) <= len(order) * 2.0**-24 * (wanted + 1e-30))
