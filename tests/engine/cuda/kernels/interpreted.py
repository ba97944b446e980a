"""Run in a process of its own, with TRITON_INTERPRET=1: kernels against twins on the CPU, as one JSON object.

Each value is the largest difference in roundings of the storage's dtype at the largest value: 0 = bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ttsctl.engine.codegen.draw_steps import Draw, TorchDraws
from ttsctl.engine.codegen.draws import DrawShape, Group0Rules, PhiloxNoise, SamplerValues
from ttsctl.engine.codegen.noise import philox, uniform
from ttsctl.engine.codegen.sampling import Sampler
from ttsctl.engine.cuda.kernels import launch, twins
from ttsctl.engine.cuda.kernels.draws import draw_by_kernel, draw_by_twin
from ttsctl.engine.cuda.kernels.order import LINEAR_LANES, PLACES
from ttsctl.engine.cuda.kernels.sizes import CacheLayer, ProjectionWeights

BATCH, K, INNER, HEADS, KV_HEADS, D, CAPACITY = 5, 96, 300, 2, 1, 16, 48
NAMES = ("q", "keys", "values", "attended", "added", "biased", "fed", "normed")


def roundings(one: Tensor, other: Tensor) -> float:
    """The largest difference, in units of the last place of the largest value."""
    if torch.equal(one, other):
        return 0.0
    step = torch.finfo(one.dtype).eps * float(other.float().abs().max())
    return float((one.float() - other.float()).abs().max()) / step


class Case:
    """Random weights, inputs and a filled cache; ``new`` rows of each of ``batch`` sequences."""

    def __init__(self, dtype: torch.dtype, batch: int, new: int) -> None:
        random = torch.Generator().manual_seed(7)

        def values(*shape: int, scale: float = 1.0) -> Tensor:
            return (torch.randn(shape, generator=random) * scale).to(dtype)

        width, kv_width = HEADS * D, KV_HEADS * D
        self.weights = ProjectionWeights(
            norm=values(K),
            q=values(width, K, scale=0.1),
            k=values(kv_width, K, scale=0.1),
            v=values(kv_width, K),
            q_norm=values(D),
            k_norm=values(D),
            eps=1e-6,
        )
        self.output, self.bias = values(K, width), values(K)
        self.gate, self.up, self.down = values(INNER, K, scale=0.3), values(INNER, K), values(K, INNER)
        self.cos, self.sin = values(CAPACITY, D), values(CAPACITY, D)
        self.cache = CacheLayer(values(KV_HEADS, batch, CAPACITY, D), values(KV_HEADS, batch, CAPACITY, D))
        self.x = values(batch * new, K)
        self.at = (torch.arange(batch)[:, None] * 8 + 3 + torch.arange(new)).flatten()

    def last(self) -> Case:
        """The last sequence of the batch, alone. (Of one row.)"""
        alone = object.__new__(Case)
        vars(alone).update(vars(self))
        alone.x, alone.at = self.x[-1:], self.at[-1:]
        alone.cache = CacheLayer(self.cache.keys[:, -1:].contiguous(), self.cache.values[:, -1:].contiguous())
        return alone

    def run(self, by: Any) -> list[Tensor]:
        """Everything, by the kernels or by their twins, in the order of NAMES."""
        cache = CacheLayer(self.cache.keys.clone(), self.cache.values.clone())
        q = by.project(self.x, self.weights, self.cos, self.sin, self.at, cache, CAPACITY)
        attended = by.attend(q, self.at, cache, CAPACITY)
        added = by.linear(attended, self.output, None, self.x)
        fed = by.gate_up(self.x, self.weights.norm, 1e-6, self.gate, self.up)
        normed = by.rms_norm(self.x, self.weights.norm, 1e-6)
        biased = by.linear(fed, self.down, self.bias)
        return [q, cache.keys, cache.values, attended, added, biased, fed, normed]


def against_twins(dtype: torch.dtype, batch: int, new: int) -> dict[str, float]:
    case = Case(dtype, batch, new)
    pairs = zip(NAMES, case.run(launch), case.run(twins), strict=True)
    return {name: roundings(kernel, twin) for name, kernel, twin in pairs}


def alone(dtype: torch.dtype) -> dict[str, float]:
    """The last row of a batch of 5 against the row alone, both by the kernels."""
    case = Case(dtype, BATCH, 1)
    together, single = case.run(launch), case.last().run(launch)
    rows = [
        value[:, -1:] if name in ("keys", "values") else value[-1:] for name, value in zip(NAMES, together, strict=True)
    ]
    return {name: roundings(one, other) for name, one, other in zip(NAMES, rows, single, strict=True)}


def beyond_the_length() -> dict[str, bool]:
    """Whether NaN in the places past each row's position leave attention as it is; control: one place further back."""
    case = Case(torch.float32, 2, 1)
    q = torch.randn((2, HEADS * D), generator=torch.Generator().manual_seed(1))
    clean = launch.attend(q, case.at, case.cache, CAPACITY)
    for part in (case.cache.keys, case.cache.values):
        for sequence, at in enumerate(case.at.tolist()):
            part[:, sequence, at + 1 :] = torch.nan
    by_twin = twins.attend(q, case.at, case.cache, CAPACITY)
    same = torch.equal(launch.attend(q, case.at, case.cache, CAPACITY), clean) and torch.equal(by_twin, clean)
    control = launch.attend(q, case.at + 1, case.cache, CAPACITY)
    return {"same": same, "control": bool(control.isnan().any())}


def other_orders() -> dict[str, float]:
    """Kernels against sums in another order: each must differ, or the comparison sees nothing."""
    case = Case(torch.float32, 2, 1)
    x = torch.randn((2, INNER), generator=torch.Generator().manual_seed(2))
    kernel = launch.linear(x, case.down)
    half = INNER // 2
    split = sum(
        twins.products(x[:, cut].contiguous(), case.down[:, cut].contiguous(), LINEAR_LANES)
        for cut in (slice(half), slice(half, None))
    )
    q = torch.randn((2, HEADS * D), generator=torch.Generator().manual_seed(3))
    attended = launch.attend(q, case.at + 32, case.cache, CAPACITY)
    vars(twins)["PLACES"] = PLACES // 2
    other_places = twins.attend(q, case.at + 32, case.cache, CAPACITY)
    vars(twins)["PLACES"] = PLACES
    return {
        "split": roundings(torch.as_tensor(split), kernel),
        "lanes": roundings(twins.products(x, case.down, LINEAR_LANES // 2), kernel),
        "places": roundings(other_places, attended),
    }


DRAWS = {
    "greedy": Sampler(False, 1.0, 0, 1.0, 1.1),
    "top_k": Sampler(True, 0.7, 50, 1.0, 1.05),
    "top_p": Sampler(True, 0.9, 20, 0.8, 1.0),
}


def drawn() -> dict[str, dict[str, bool]]:
    """Whether the kernel's ids, embeddings, logits and scores are the twin's; and its ids those of torch's operations.

    bfloat16 logits, so that there are ties. ``alone``: the last row by itself. ``control``: another frame's scores.
    """
    random = torch.Generator().manual_seed(5)
    batch, vocabulary, end = 3, 1100, 80
    logits = (torch.randn((batch, vocabulary), generator=random) * 3).bfloat16()
    seen = torch.rand((batch, vocabulary), generator=random) < 0.1
    table = torch.randn((vocabulary, 24), generator=random)
    found = {}
    for name, sampler in DRAWS.items():
        values = SamplerValues.new(batch, torch.device("cpu"))
        for row in range(batch):
            values.set(row, sampler)
        draw = Draw(
            logits=logits,
            seen=seen,
            shape=DrawShape.of([sampler]),
            values=values,
            seed=torch.tensor([3, 2**62 + 5, 9]),
            frame=torch.tensor([0, 1, 77]),
            group=2,
            table=table,
            rules=Group0Rules(vocabulary, end, torch.device("cpu")) if sampler.draw else None,
            noise=None,
        )
        group = torch.tensor([draw.group])
        noise = next(PhiloxNoise().groups(draw.seed, draw.frame, group, vocabulary)) if sampler.draw else None
        kernel, twin, modules = draw_by_kernel(draw), draw_by_twin(draw), TorchDraws().draw(replace(draw, noise=noise))
        last = SamplerValues(*(value[-1:] for value in vars(values).values()))
        parts = {key: getattr(draw, key)[-1:] for key in ("logits", "seen", "seed", "frame")}
        single = draw_by_kernel(replace(draw, values=last, **parts))
        other = draw_by_kernel(replace(draw, frame=draw.frame + 2))
        names = ("ids", "embedded", "logits", "scores")
        found[name] = {
            "twin": all(torch.equal(getattr(kernel, part), getattr(twin, part)) for part in names),
            "modules": torch.equal(kernel.ids, modules.ids),
            "alone": all(torch.equal(getattr(kernel, part)[-1:], getattr(single, part)) for part in names),
            "control": torch.equal(kernel.scores, other.scores),
        }
    return found


@triton.jit  # type: ignore[untyped-decorator]
def draw_words(seeds, frames, group, words, uniforms, IDS: tl.constexpr):  # type: ignore[no-untyped-def]
    row, ids = tl.program_id(0), tl.arange(0, IDS)
    zero = ids * 0
    found, _, _, _ = tl.philox(tl.load(seeds + row), ids, zero + group, zero + tl.load(frames + row).to(tl.int32), zero)
    tl.store(words + row * IDS + ids, found.to(tl.int64))
    tl.store(uniforms + row * IDS + ids, tl.random.uint_to_uniform_float(found))


def noise() -> dict[str, bool]:
    """Whether the words and uniforms of torch are Triton's; control: another frame."""
    seeds, frames = torch.tensor([0, 42, 2**63 - 1, 123456789012345]), torch.tensor([0, 1, 2047, 100000])
    words, uniforms = torch.zeros((4, 256), dtype=torch.int64), torch.zeros((4, 256))
    draw_words[(4,)](seeds, frames, 11, words, uniforms, 256)
    ours = philox(seeds, frames, torch.tensor([11]), 256)[:, 0]
    other = philox(seeds, frames + 1, torch.tensor([11]), 256)[:, 0]
    return {
        "words": torch.equal(words, ours),
        "uniforms": torch.equal(uniforms, uniform(ours)),
        "control": not torch.equal(words, other),
    }


def main() -> None:
    torch.set_num_threads(1)
    # Programs in the interpreter cost time; how many rows one owns decides no bits.
    vars(launch)["ROWS"] = 64
    found = {
        "float32": against_twins(torch.float32, 2, 2),
        "bfloat16": against_twins(torch.bfloat16, 3, 1),
        "alone float32": alone(torch.float32),
        "alone bfloat16": alone(torch.bfloat16),
        "beyond": beyond_the_length(),
        "orders": other_orders(),
        "noise": noise(),
        "drawn": drawn(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
