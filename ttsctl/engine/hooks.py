"""Which modules of a network are looked into, and the hooks that do it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from ttsctl.model.codec import CodecDecoder, ResidualUnit
from ttsctl.model.streaming import CausalConv, CausalTransposedConv

# A forward hook: the module, its arguments, its output -> another output, or None for the same.
Hook = Callable[[nn.Module, tuple[Any, ...], Any], Any]


@dataclass(frozen=True)
class Watched:
    """A module to look into. ``path`` is its name in the checkpoint's tensors, less the tensor.

    ``leaf``: it computes by itself, not through other modules. ``overwritten``: its output is written to afterwards.
    Rows a frame at its input and output; both 1 outside of the codec. ``stage_point``: its output ends a codec stage.
    """

    path: str
    module: nn.Module
    leaf: bool
    overwritten: bool = False
    rows_in: int = 1
    rows_out: int = 1
    stage_point: str | None = None


def watched_talker(talker: nn.Module) -> list[Watched]:
    """Every module of the talker and its predictor, under paths that start with ``talker.``"""
    return [Watched(path, module, _is_leaf(module)) for path, module in _named(talker, "talker")]


def watched_codec(decoder: CodecDecoder) -> list[Watched]:
    """Every module of the codec decoder, under paths that start with ``decoder.``"""
    rows, stages = _rows_a_frame(decoder), _stage_points(decoder)
    added_to = {id(unit.conv2) for unit in decoder.modules() if isinstance(unit, ResidualUnit)}
    return [
        Watched(path, module, _is_leaf(module), id(module) in added_to, *rows[module], stages.get(module))
        for path, module in _named(decoder, "decoder")
    ]


@contextmanager
def hooked(hooks: Collection[tuple[Watched, Hook]]) -> Iterator[None]:
    """Each hook is called after every call of its module, for the length of the block."""
    handles = [each.module.register_forward_hook(hook) for each, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _named(root: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Modules by path, without those that do nothing, or whose weight another module uses in their stead."""
    inner = {id(m.conv) for m in root.modules() if isinstance(m, CausalConv | CausalTransposedConv)}
    for path, module in root.named_modules(prefix=name):
        if not isinstance(module, nn.Identity) and id(module) not in inner:
            yield path, module


def _is_leaf(module: nn.Module) -> bool:
    return isinstance(module, CausalConv | CausalTransposedConv) or not any(True for _ in module.children())


def _stage_points(decoder: CodecDecoder) -> dict[nn.Module, str]:
    """The modules with whose output a stage ends."""
    points: dict[nn.Module, str] = {decoder.pre_conv: "codec.embed", decoder.pre_transformer: "codec.transformer"}
    stage: Any
    for index, stage in enumerate(decoder.upsample):
        points[stage[1]] = f"codec.upsample.{index}"
    points.update({layer: f"codec.wave.{index}" for index, layer in enumerate(decoder.decoder)})
    return points


def _rows_a_frame(decoder: CodecDecoder) -> dict[nn.Module, tuple[int, int]]:
    """Rows a frame that each module takes and gives; every transposed convolution multiplies them by its stride."""
    rows: dict[nn.Module, tuple[int, int]] = {}
    rate = 1
    for module in decoder.modules():  # in the order of definition, which is that of execution
        if isinstance(module, CausalTransposedConv):
            rows[module] = (rate, rate * module.stride)
            rate *= module.stride
        else:
            rows[module] = (rate, rate)
    for layer in decoder.decoder:
        strides = [m.stride for m in layer.modules() if isinstance(m, CausalTransposedConv)]
        if strides:
            before = rows[layer][0]
            rows[layer] = (before, before * strides[0])
    return rows
