"""``backend.kernels = triton`` on a CPU: the codes of the modules, and rows of a batch apart bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine_help import ORACLE, make_engine
from tests.overlap_help import REQUEST
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.engine.cuda.kernels import twins
from ttsctl.engine.cuda.kernels.steps import TritonSteps, choose_steps
from ttsctl.engine.model.cached_stack import CachedStack
from ttsctl.engine.model.layer_steps import LayerSteps, TorchSteps

TRITON = "backend.kernels=triton"
TEXTS = ("One.", "Two words and more of them.", "Three, and a comma.", "Four four four four.")


def spoken(*sets: str, company: tuple[Request, ...] = ()) -> np.ndarray:
    engine = make_engine("builtin", *sets)
    with torch.inference_mode():
        plan = engine.codegen_stage.plan
        generation = engine.generator.begin(REQUEST, plan, 3 if plan.talker.draw else None, company=company)
        return torch.stack(list(engine.generator.frames(generation))).numpy()


@pytest.mark.parametrize("policy", ["greedy", "seeded"])
def test_codes_of_the_builtin_are_those_of_the_modules(policy: str) -> None:
    settings = (f"sampling.policy={policy}", "sampling.max_new_tokens=10")
    assert np.array_equal(spoken(*settings), spoken(*settings, TRITON))


@pytest.mark.slow
def test_codes_of_the_reference_cases(checkpoint: str, case: dict[str, Any]) -> None:
    policy = "greedy" if case.get("greedy", True) else "seeded"
    own = (f"sampling.policy={policy}", f"sampling.seed={case.get('seed') or 0}", "sampling.noise=package")
    engine = make_engine(checkpoint, f"sampling.max_new_tokens={min(case['max_new_tokens'], 16)}", *own, TRITON)
    mode: TextMode = "whole" if case.get("non_streaming_mode") else "streaming"
    voice = Voice("v", case["speaker"], case["language"], case.get("instruct"))
    with torch.inference_mode():
        generation, _ = engine.codegen_stage.begin(Request(case["text"], voice, text_mode=mode))
        codes = torch.stack(list(engine.generator.frames(generation))).numpy()
    wanted = np.load(ORACLE / checkpoint / "expected" / f"{case['id']}_codes.npy")
    assert len(codes) and np.array_equal(codes, wanted[: len(codes)])


def states(steps: LayerSteps, batch: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Hidden states, logits and keys of one sequence, which sits last in a batch, over a few steps."""
    engine = make_engine("builtin", "engine.codegen_dtype=" + str(dtype).removeprefix("torch."))
    talker = engine.generator.talker
    stack: CachedStack = talker.model
    cache = stack.new_cache(batch, 64)
    random = torch.Generator().manual_seed(1)
    found = []
    for step in range(3):
        own = torch.randn(1, 128, generator=random)
        others = torch.randn(4, 128, generator=random)[: batch - 1] * 3
        at = torch.tensor([*(7 * n + step for n in range(batch - 1)), 5 + step])
        hidden = stack.step(torch.cat([others, own]).to(dtype), cache, at, 32 if batch == 1 else 64, steps)
        found += [hidden[-1], steps.linear(talker.codec_head, hidden)[-1]]
    return [*found, cache.keys[:, :, -1].flatten(), cache.values[:, :, -1].flatten()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_a_row_does_not_depend_on_its_batch_or_reach(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, beside = states(TritonSteps(), 1, dtype), states(TritonSteps(), 5, dtype)
    assert all(torch.equal(a, b) for a, b in zip(alone, beside, strict=True))

    modules = states(TorchSteps(), 1, dtype)
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    assert all(torch.allclose(a.float(), b.float(), tolerance, tolerance) for a, b in zip(alone, modules, strict=True))

    # Control: an order that follows the batch is caught.
    own = twins.products

    def ordered_by_batch(x: torch.Tensor, weight: torch.Tensor, most: int) -> torch.Tensor:
        return own(x, weight, most // 16 if len(x) > 1 else most)

    monkeypatch.setattr(twins, "products", ordered_by_batch)
    changed = states(TritonSteps(), 5, torch.float32)
    assert not all(torch.equal(a, b) for a, b in zip(states(TritonSteps(), 1, torch.float32), changed, strict=True))


@pytest.mark.parametrize("settings", [(), ("sampling.policy=seeded", "sampling.top_p=0.9")], ids=["greedy", "seeded"])
def test_codes_of_a_batch_are_those_of_the_request_alone(settings: tuple[str, ...]) -> None:
    company = tuple(replace(REQUEST, text=text) for text in TEXTS)
    own = (*settings, "sampling.max_new_tokens=7", TRITON)
    assert np.array_equal(spoken(*own), spoken(*own, company=company))


@pytest.mark.parametrize(
    "change", [{"head_dim": 24}, {"attention_bias": True}, {"qk_norm": False}, {"layer_scale": True}]
)
def test_what_the_kernels_lack_is_refused(change: dict[str, Any]) -> None:
    engine = make_engine("builtin")
    sizes = engine.generator.sizes
    placement = engine.codegen_stage.placement
    with pytest.raises(InputError, match="the talker has"):
        choose_steps("triton", placement, replace(sizes, talker=replace(sizes.talker, **change)))
    with pytest.raises(InputError, match="float64"):
        choose_steps("triton", replace(placement, codegen_dtype=torch.float64), sizes)
    cuda = replace(placement, codegen_device=torch.device("cuda"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ttsctl.engine.cuda.kernels.steps.find_spec", lambda name: None)
        with pytest.raises(InputError, match="not installed"):
            choose_steps("triton", cuda, sizes)


def test_a_trace_of_modules_that_do_not_run_is_refused() -> None:
    with pytest.raises(InputError, match="runs no module by itself"):
        make_engine("builtin", TRITON, "record.trace=modules")
    assert make_engine("builtin", TRITON, "record.trace=stages")
