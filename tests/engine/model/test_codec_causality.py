"""The codec decoder is causal, and its layers stream as they run in one piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv, StreamingLayer, StreamState

# One layer in float64: sums of a few dozen products, split at other places.
TOLERANCE = 1e-12

Layer = TypeVar("Layer", bound=StreamingLayer)


def _filled(layer: Layer) -> Layer:
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.double().parameters():
        parameter.data.normal_(generator=generator)
    return layer.requires_grad_(False)


LAYERS: dict[str, Callable[[], StreamingLayer]] = {
    "conv": lambda: CausalConv(3, 4, 7, dilation=9),
    "depthwise": lambda: CausalConv(4, 4, 7, groups=4),
    "pointwise": lambda: CausalConv(3, 4, 1),
    "transposed": lambda: CausalTransposedConv(3, 4, 16, 8),
    "no overlap": lambda: CausalTransposedConv(3, 4, 2, 2),
}


@pytest.mark.parametrize("name", sorted(LAYERS))
@settings(deadline=None, max_examples=20)
@given(splits=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_streaming_equals_one_piece(name: str, splits: list[int]) -> None:
    layer = _filled(LAYERS[name]())
    channels = 4 if name == "depthwise" else 3
    x = torch.randn(sum(splits), channels, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    state = StreamState(layer)
    pieces = []
    for piece in x.split(splits):
        pieces.append(layer(piece, state))
        state.advance(len(piece))
    assert (torch.cat(pieces) - layer(x)).abs().max() <= TOLERANCE


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_layer_without_its_past_is_seen(name: str) -> None:
    layer = _filled(LAYERS[name]())
    x = torch.ones(12, 4 if name == "depthwise" else 3, dtype=torch.float64)
    apart = torch.cat([layer(x[:6]), layer(x[6:])])
    equal = (apart - layer(x)).abs().max() <= TOLERANCE
    assert equal == (name in ("pointwise", "no overlap"))


def test_transposed_conv_against_the_definition() -> None:
    layer = _filled(CausalTransposedConv(2, 3, 4, 2))
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    wanted = torch.zeros(5 * 2 + 2, 3, dtype=torch.float64)
    for i in range(5):
        for k in range(4):
            wanted[2 * i + k] += layer.conv.weight[:, :, k].T @ x[i]
    assert layer.conv.bias is not None
    wanted += layer.conv.bias
    assert (layer(x) - wanted[:10]).abs().max() <= TOLERANCE


def test_an_uncommitted_step_leaves_the_past_alone() -> None:
    layer = _filled(LAYERS["conv"]())
    state = StreamState(layer)
    layer(torch.ones(4, 3, dtype=torch.float64), state)
    before = state.past(layer).clone()
    state.commit = False
    layer(torch.full((4, 3), 2.0, dtype=torch.float64), state)
    assert torch.equal(state.past(layer), before)
    state.commit = True
    layer(torch.full((4, 3), 2.0, dtype=torch.float64), state)
    assert not torch.equal(state.past(layer), before)


def test_conv_against_the_definition() -> None:
    layer = _filled(CausalConv(2, 3, 3, dilation=2))
    x = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert layer.conv.bias is not None
    wanted = layer.conv.bias.repeat(6, 1)
    for i in range(6):
        for k in range(3):
            at = i - 2 * (2 - k)
            if at >= 0:
                wanted[i] += layer.conv.weight[:, :, k] @ x[at]
    assert (layer(x) - wanted).abs().max() <= TOLERANCE
