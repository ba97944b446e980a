"""``bench cuda``: the kernels on the device against their torch twins on the CPU, on a layer of the network."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ttsctl.engine.bench.cuda.checks import CheckFailed, CheckSkipped, has_triton
from ttsctl.engine.bench.cuda.subject import Subject
from ttsctl.engine.cuda.kernels.steps import TritonSteps
from ttsctl.engine.model.cached_stack import CachedStack
from ttsctl.engine.model.fixed_cache import FIRST_REACH, FixedCache

POSITIONS = 70
# One rounding of the dtype, of the largest value. Kernels and twins have the same order and roundings: 0 is expected.
TOLERANCE = {"bfloat16": 2.0**-8, "float32": 2.0**-20}


@torch.inference_mode()
def give_the_twins_values(subject: Subject) -> str:
    """A step of the talker's first layer, after ``POSITIONS`` others, for a batch of 1 and of 5."""
    if not has_triton(subject.device):
        raise CheckSkipped("Triton is not installed, or has no driver for this device")
    worst: dict[str, float] = {}
    for dtype, tolerance in TOLERANCE.items():
        config = subject.config(engine={"codegen_dtype": dtype}, backend={"kernels": "triton"})
        with subject.engine(config) as engine:
            stack = one_layer(engine.generator.talker.model)
        for batch in (1, 5):
            there, here = (_walk(stack, batch, device) for device in (subject.device, torch.device("cpu")))
            scale = here.float().abs().max()
            off = float((there.cpu().float() - here.float()).abs().max() / scale)
            worst[dtype] = max(worst.get(dtype, 0.0), off)
            if not off <= tolerance:
                raise CheckFailed(
                    f"{dtype}, batch {batch}: {off:.2e} of the largest value off, allowed {tolerance:.2e}"
                )
    return "largest difference over the largest value: " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items())


def one_layer(stack: CachedStack) -> CachedStack:
    """The stack's first layer and its norm, copied to the CPU."""
    single = copy.copy(stack)
    single._modules = dict(stack._modules)
    single.layers = torch.nn.ModuleList([copy.deepcopy(stack.layers[0]).cpu()])
    single.norm = copy.deepcopy(stack.norm).cpu()
    return single


def _walk(stack: CachedStack, batch: int, device: torch.device) -> Tensor:
    """The last of some steps with random inputs, the same on every device."""
    moved = one_layer(stack)
    moved.layers.to(device)
    moved.norm.to(device)
    weight = moved.norm.weight
    cache = FixedCache(moved.sizes, batch, FIRST_REACH, device, weight.dtype)
    generator = torch.Generator().manual_seed(1)
    steps, out = TritonSteps(), torch.empty(0)
    for position in range(POSITIONS):
        x = torch.randn((batch, moved.sizes.hidden_size), generator=generator).to(device, weight.dtype)
        at = torch.full((batch,), position, dtype=torch.int64, device=device)
        out = moved.step(x, cache, at, FIRST_REACH, steps)
    return out
