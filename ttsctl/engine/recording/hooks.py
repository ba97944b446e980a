"""Which modules of a network are looked into, and the hooks that do it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ttsctl.engine.model.codec import CodecDecoder, ResidualUnit
from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv

# Told of a module's call: its first input and its output -> another output, or None for the same.
Hook = Callable[[Tensor, Tensor], "Tensor | None"]


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
    """Each hook is called after every call of its module, for the length of the block.

    Torch's own forward hooks do this too, but take a third of the time that a small module takes.
    """
    watches = [(_watch_of(each.module), hook) for each, hook in hooks]
    for watch, hook in watches:
        watch.add(hook)
    try:
        yield
    finally:
        for watch, hook in watches:
            watch.remove(hook)


class _Watch:
    """What looks at one module, by standing in for its ``forward`` as long as anyone looks."""

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
                self._own["forward"] = self._standing_in(self._module.forward)
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

    def _standing_in(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            output = usual(*args, **kwargs)
            for hook in self._hooks:
                changed = hook(args[0], output)
                if changed is not None:
                    output = changed
            return output

        return forward


def _watch_of(module: nn.Module) -> _Watch:
    """The module's watch, kept with the module so that all streams share it."""
    watch: _Watch = vars(module).setdefault("_watch", _Watch(module))
    return watch


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
