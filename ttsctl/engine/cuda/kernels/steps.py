"""The layers' steps by the kernels on CUDA tensors, by their torch twins on CPU tensors."""

from __future__ import annotations

from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ttsctl.core.errors import InputError
from ttsctl.engine.codegen.draw_steps import DrawSteps, TorchDraws
from ttsctl.engine.cuda.kernels import twins
from ttsctl.engine.cuda.kernels.draws import TritonDraws
from ttsctl.engine.cuda.kernels.order import power_of_two
from ttsctl.engine.cuda.kernels.sizes import CacheLayer, ProjectionWeights
from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.layer_steps import LayerSteps, StepPlace, TorchSteps
from ttsctl.engine.model.layers import DecoderLayer
from ttsctl.engine.model.sizes import TalkerSizes, TransformerSizes
from ttsctl.engine.placement import Placement


class TritonSteps:
    """``backend.kernels = triton``: bits depend on a row's inputs alone, not on its batch, ``reach`` or a thread count.

    Modules are read, not called, so that hooks on them see nothing.
    """

    def begin(self, cache: FixedCache, at: Tensor, reach: int) -> StepPlace:
        return StepPlace(cache, at, reach)

    def project(self, layer: DecoderLayer, index: int, x: Tensor, place: StepPlace) -> Tensor:
        own: Any = layer.self_attn
        norm, cache = layer.input_layernorm, place.cache
        weights = ProjectionWeights(
            norm=norm.weight,
            q=own.q_proj.weight,
            k=own.k_proj.weight,
            v=own.v_proj.weight,
            q_norm=own.q_norm.weight,
            k_norm=own.k_norm.weight,
            eps=norm.eps,
        )
        run = _operations(x).project
        return run(x.contiguous(), weights, cache.cos, cache.sin, place.at, _layer(cache, index), place.reach)

    def attend(self, layer: DecoderLayer, index: int, q: Tensor, place: StepPlace) -> Tensor:
        return _operations(q).attend(q, place.at, _layer(place.cache, index), place.reach)

    def add_attended(self, layer: DecoderLayer, x: Tensor, attended: Tensor) -> Tensor:
        return _operations(x).linear(attended, layer.self_attn.o_proj.weight, None, x.contiguous())

    def feed(self, layer: DecoderLayer, x: Tensor) -> Tensor:
        run, mlp, norm = _operations(x), layer.mlp, layer.post_attention_layernorm
        fed = run.gate_up(x, norm.weight, norm.eps, mlp.gate_proj.weight, mlp.up_proj.weight)
        return run.linear(fed, mlp.down_proj.weight, None, x)

    def norm(self, norm: nn.Module, x: Tensor) -> Tensor:
        return _operations(x).rms_norm(x, norm.weight, norm.eps)

    def linear(self, linear: nn.Module, x: Tensor) -> Tensor:
        if isinstance(linear, nn.Identity):
            return x
        return _operations(x).linear(x.contiguous(), linear.weight, linear.bias)


def choose_steps(kernels: Literal["torch", "triton"], placement: Placement, sizes: TalkerSizes) -> LayerSteps:
    """What ``backend.kernels`` names. InputError where the kernels lack something that checkpoint or machine needs."""
    if kernels == "torch":
        return TorchSteps()
    _refuse_sizes(sizes.talker, "the talker")
    _refuse_sizes(sizes.predictor, "the code predictor")
    if placement.codegen_dtype not in (torch.float32, torch.bfloat16):
        found = str(placement.codegen_dtype).removeprefix("torch.")
        raise InputError(f"backend.kernels = 'triton' with codegen_dtype {found!r}", "use float32 or bfloat16")
    if placement.codegen_device.type == "cuda" and find_spec("triton") is None:
        raise InputError("backend.kernels = 'triton': Triton is not installed", "pip install 'ttsctl[cuda]'")
    return TritonSteps()


def choose_draws(kernels: Literal["torch", "triton"]) -> DrawSteps:
    """As ``choose_steps``, for the draws."""
    return TorchDraws() if kernels == "torch" else TritonDraws()


def _refuse_sizes(sizes: TransformerSizes, where: str) -> None:
    power = power_of_two(sizes.head_dim)
    missing = {
        f"head_dim {sizes.head_dim}, no power of two of 2 or more": sizes.head_dim != power or power < 2,
        "attention_bias": sizes.attention_bias,
        "no norm of queries and keys": not sizes.qk_norm,
        "a layer scale": sizes.layer_scale,
    }
    for what in (name for name, is_missing in missing.items() if is_missing):
        raise InputError(f"backend.kernels = 'triton': {where} has {what}", "set backend.kernels=torch")


def _layer(cache: FixedCache, index: int) -> CacheLayer:
    return CacheLayer(cache.keys[index], cache.values[index])


def _operations(x: Tensor) -> ModuleType:
    """What computes on x's device. Triton is there only with the extra ``cuda``, so it is imported where it is used."""
    if not x.is_cuda:
        return twins
    from ttsctl.engine.cuda.kernels import launch

    return launch
