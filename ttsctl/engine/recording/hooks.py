"""The modules of a network that can be probed, and the hooks on them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ttsctl.engine.model.codec import CodecDecoder, ResidualUnit
from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv

# Called after a module with its first input and its output -> another output, or None for the same.
Hook = Callable[[Tensor, Tensor], "Tensor | None"]


@dataclass(frozen=True)
class ProbedModule:
    """A module that can be hooked. ``path`` is the name of its tensors in the checkpoint, without the tensor's own.

    ``is_leaf``: it computes by itself, not through other modules. ``is_overwritten``: its output is written to
    afterwards. ``rows_in`` and ``rows_out``: rows a frame of its input and output, both 1 outside of the codec.
    ``stage_point``: the name of the codec stage that its output ends.
    """

    path: str
    module: nn.Module
    is_leaf: bool
    is_overwritten: bool = False
    rows_in: int = 1
    rows_out: int = 1
    stage_point: str | None = None


def talker_modules(talker: nn.Module) -> list[ProbedModule]:
    """Every module of the talker and its predictor, under paths that start with ``talker.``"""
    return [ProbedModule(path, module, _is_leaf(module)) for path, module in _named(talker, "talker")]


def encoder_modules(encoder: nn.Module, name: str) -> list[ProbedModule]:
    """Every module of a voice's encoder, under paths that start with ``name``."""
    return [ProbedModule(path, module, _is_leaf(module)) for path, module in _named(encoder, name)]


def codec_modules(decoder: CodecDecoder) -> list[ProbedModule]:
    """Every module of the codec decoder, under paths that start with ``decoder.``"""
    rows, stages = _rows_a_frame(decoder), _stage_points(decoder)
    added_to = {id(unit.conv2) for unit in decoder.modules() if isinstance(unit, ResidualUnit)}
    return [
        ProbedModule(path, module, _is_leaf(module), id(module) in added_to, *rows[module], stages.get(module))
        for path, module in _named(decoder, "decoder")
    ]


@contextmanager
def hooked(hooks: Collection[tuple[ProbedModule, Hook]]) -> Iterator[None]:
    """Each hook is called after every call of its module, for the length of the block.

    Torch's own forward hooks would cost a third of the time that a small module takes.
    """
    hooked_forwards = [(_hooked_forward(probed.module), hook) for probed, hook in hooks]
    for hooked_forward, hook in hooked_forwards:
        hooked_forward.add(hook)
    try:
        yield
    finally:
        for hooked_forward, hook in hooked_forwards:
            hooked_forward.remove(hook)


class _HookedForward:
    """The hooks of one module. It replaces the module's ``forward`` for as long as there are any."""

    def __init__(self, module: nn.Module) -> None:
        self._own = vars(module)
        self._module = module
        self._lock = threading.Lock()
        self._hooks: tuple[Hook, ...] = ()
        self._before: Any = None

    def add(self, hook: Hook) -> None:
        with self._lock:
            if not self._hooks:
                self._before = self._own.get("forward")
                self._own["forward"] = self._calling_hooks(self._module.forward)
            self._hooks = (*self._hooks, hook)

    def remove(self, hook: Hook) -> None:
        with self._lock:
            self._hooks = tuple(other for other in self._hooks if other is not hook)
            if self._hooks:
                return
            if self._before is None:
                del self._own["forward"]
            else:
                self._own["forward"] = self._before

    def _calling_hooks(self, plain_forward: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            output = plain_forward(*args, **kwargs)
            for hook in self._hooks:
                changed = hook(args[0], output)
                if changed is not None:
                    output = changed
            return output

        return forward


def _hooked_forward(module: nn.Module) -> _HookedForward:
    """Kept with the module, so that all streams share it."""
    shared: _HookedForward = vars(module).setdefault("_hooked_forward", _HookedForward(module))
    return shared


def _named(root: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """Modules by path, without those that are never called: another module uses their weight, or they do nothing."""
    inner = {id(m.conv) for m in root.modules() if isinstance(m, CausalConv | CausalTransposedConv)}
    for path, module in root.named_modules(prefix=name):
        if not isinstance(module, nn.Identity) and id(module) not in inner:
            yield path, module


def _is_leaf(module: nn.Module) -> bool:
    return isinstance(module, CausalConv | CausalTransposedConv) or not any(True for _ in module.children())


def _stage_points(decoder: CodecDecoder) -> dict[nn.Module, str]:
    """The modules whose output ends a stage, and the stages' names."""
    points: dict[nn.Module, str] = {decoder.pre_conv: "codec.embed", decoder.pre_transformer: "codec.transformer"}
    stage: Any
    for index, stage in enumerate(decoder.upsample):
        points[stage[1]] = f"codec.upsample.{index}"
    points.update({layer: f"codec.wave.{index}" for index, layer in enumerate(decoder.decoder)})
    return points


def _rows_a_frame(decoder: CodecDecoder) -> dict[nn.Module, tuple[int, int]]:
    """Rows a frame of every module's input and output; a transposed convolution multiplies them by its stride."""
    rows: dict[nn.Module, tuple[int, int]] = {}
    rate = 1
    for module in decoder.modules():  # modules are defined in the order in which they run
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
