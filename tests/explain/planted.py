"""Faults planted into an engine from outside, each with the place where a comparison has to find it.

They replace the ``forward`` of one module, or one function of the engine, for one run; the recorder knows nothing of
them. Calls are counted, so a fault strikes at one frame and codebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttsctl.engine.codegen import draw_steps
from ttsctl.engine.decode.fixed_step import STEP_FRAMES
from ttsctl.engine.decode.stage import Decoding
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.streaming import StreamState

GROUPS = 16
SAMPLES = 1920
INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64, torch.bfloat16: torch.int16}

Change = Callable[[Tensor], Tensor]
Plant = Callable[[LocalEngine], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """``how`` strikes at stage, frame, codebook and point; ``is_input``: seen first in what that module takes.

    ``call`` is the how manieth value of that point there. ``once``: nothing of it stays in the engine's state, but
    through the values that it changed.
    """

    how: str
    stage: str
    frame: int
    codebook: int
    point: str
    plant: Plant
    is_input: bool = False
    once: bool = True
    call: int = 0

    @property
    def name(self) -> str:
        return f"{self.how}-{self.stage}-{self.frame}-{self.codebook}-{self.point}"


# What a fault does to the values of one frame.


def last_bit(values: Tensor) -> Tensor:
    """The lowest bit of the element that is largest."""
    flat = values.clone().reshape(-1)
    flat.view(INTEGERS[flat.dtype])[flat.abs().argmax()] ^= 1
    return flat.reshape(values.shape)


def sign(values: Tensor) -> Tensor:
    flat = values.clone().reshape(-1)
    flat[flat.abs().argmax()] *= -1
    return flat.reshape(values.shape)


def swap(values: Tensor) -> Tensor:
    """The largest and the smallest element change places."""
    flat = values.clone().reshape(-1)
    places = torch.stack([flat.argmax(), flat.argmin()])
    flat[places] = flat[places.flip(0)]
    return flat.reshape(values.shape)


def one_element(values: Tensor) -> Tensor:
    flat = values.clone().reshape(-1)
    flat[len(flat) // 2] += 0.5
    return flat.reshape(values.shape)


CHANGES: dict[str, Change] = {"last bit": last_bit, "sign": sign, "swap": swap, "one element": one_element}


# How a fault gets in.


@contextmanager
def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """``owner.name`` is ``make`` of what it was, for the length of the block."""
    own = name in vars(owner)
    usual = getattr(owner, name)
    setattr(owner, name, make(usual))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, usual)
        else:
            delattr(owner, name)


def at_call(call: int, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of a function: its result at call number ``call`` goes through ``change``."""

    def make(usual: Any) -> Any:
        calls = iter(range(10**9))

        def struck(*args: Any, **kwargs: Any) -> Any:
            result = usual(*args, **kwargs)
            return change(result) if next(calls) == call else result

        return struck

    return make


def talker_module(path: str, call: int, change: Change) -> Plant:
    """The last row of a talker's or predictor's module at one of its calls."""

    def in_last_row(output: Tensor) -> Tensor:
        if output.dim() < 2:
            return change(output)
        return torch.cat([output[:-1], change(output[-1])[None]])

    return lambda engine: replaced(module_at(engine, path), "forward", at_call(call, in_last_row))


def predictor_call(frame: int, codebook: int) -> int:
    """How many calls of a predictor's layer come before the one that leads to this draw."""
    return frame * (GROUPS - 1) + codebook - 1


def codec_module(path: str, frame: int, change: Change) -> Plant:
    """The rows of one frame of a codec's module, decoded in full steps."""

    def in_frame(output: Tensor) -> Tensor:
        rows = output.shape[0] // STEP_FRAMES
        changed = output.clone()
        own = slice(frame % STEP_FRAMES * rows, (frame % STEP_FRAMES + 1) * rows)
        changed[own] = change(output[own])
        return changed

    return lambda engine: replaced(module_at(engine, path), "forward", at_call(frame // STEP_FRAMES, in_frame))


def module_at(engine: LocalEngine, path: str) -> nn.Module:
    root, _, rest = path.partition(".")
    module = engine.generator.talker if root == "talker" else engine.decoder
    return module.get_submodule(rest)


def replace_decide(make: Callable[[Any], Any]) -> Plant:
    return lambda engine: replaced(draw_steps, "decide", make)


def corrupted(path: str, call: int, which: str, layer: int, once: bool) -> Plant:
    """The cache's first position in one layer, before a call of ``step``; put back after it if ``once``."""

    def make(usual: Any) -> Any:
        calls = iter(range(10**9))

        def struck(x: Tensor, cache: Any, *others: Any) -> Tensor:
            hit = next(calls) == call
            if hit:
                getattr(cache, which)[layer, :, :, 0] *= -1
            result: Tensor = usual(x, cache, *others)
            if hit and once:
                getattr(cache, which)[layer, :, :, 0] *= -1
            return result

        return struck

    return lambda engine: replaced(module_at(engine, path), "step", make)


def corrupted_past(path: str) -> Plant:
    @contextmanager
    def plant(engine: LocalEngine) -> Iterator[None]:
        layer, seen = module_at(engine, path), 0
        usual = StreamState.past

        def past(state: StreamState, asked: Any) -> Tensor:
            nonlocal seen
            kept = usual(state, asked)
            if asked is not layer:
                return kept
            seen += 1
            return -kept if seen == 2 else kept

        with replaced(StreamState, "past", lambda _: past):
            yield

    return plant


def function_of(path: str, name: str, call: int, change: Change | None) -> Plant:
    def strike(result: Any) -> Any:
        if change is None:
            q, k, v = result
            return -q, k, v
        return torch.cat([result[:-1], change(result[-1])[None]])

    return lambda engine: replaced(module_at(engine, path), name, at_call(call, strike))


def in_last_position(change: Change) -> Change:
    return lambda value: torch.cat([value[:-1], change(value[-1])[None]])


def on_generator(name: str, change: Change) -> Plant:
    return lambda engine: replaced(engine.generator, name, at_call(0, change))


def function_on(path: str, name: str, call: int, change: Change) -> Plant:
    return lambda engine: replaced(module_at(engine, path), name, at_call(call, change))


@contextmanager
def other_text(engine: LocalEngine) -> Iterator[None]:
    """One text id is taken for another."""

    class Tokens:
        def __init__(self, ids: list[int]) -> None:
            self.ids = [*ids[:4], ids[4] + 1, *ids[5:]]

    class Tokenizer:
        def encode(self, text: str) -> Tokens:
            return Tokens(usual.encode(text).ids)

    usual = engine.generator.tokenizer
    with replaced(engine.generator, "tokenizer", lambda _: Tokenizer()):
        yield


def handed_over(frame: int, codebook: int) -> Plant:
    """The decoder sees another id at a frame and codebook than was drawn. Packets are of STEP_FRAMES frames."""

    def make(usual: Any) -> Any:
        calls = iter(range(10**9))

        def struck(codes: Tensor) -> Tensor:
            if next(calls) == frame // STEP_FRAMES:
                codes = codes.clone()
                codes[frame % STEP_FRAMES, codebook] ^= 1
            result: Tensor = usual(codes)
            return result

        return struck

    return lambda engine: replaced(engine.decoder.quantizer, "forward", make)


def packet_of(frame: int, twice: bool) -> Plant:
    """The first sample of a frame is left out of its packet, or comes twice. Packets are of STEP_FRAMES frames."""

    def change(pcm: Any) -> Any:
        at = frame % STEP_FRAMES * SAMPLES
        return np.insert(pcm, at, pcm[at]) if twice else np.delete(pcm, at)

    return lambda engine: replaced(Decoding, "read_pcm", at_call(frame // STEP_FRAMES, change))
