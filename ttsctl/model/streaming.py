"""Causal layers that run over a whole sequence or, with a StreamState, over its next piece.

Every streaming layer keeps its past in a slot of the caller's state and writes it in place. Without a state the past
is silence, which is the same as a stream's first piece.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StreamState:
    """One slot a streaming layer, made by ``new_state``. With ``commit`` False a call reads the past, but leaves it."""

    def __init__(self, root: nn.Module) -> None:
        self.commit = True
        self.position = 0
        self._slots = {layer: layer.new_slot() for layer in root.modules() if isinstance(layer, StreamingLayer)}

    def past(self, layer: StreamingLayer) -> Tensor:
        return self._slots[layer]

    def write(self, layer: StreamingLayer, value: Tensor) -> None:
        if self.commit:
            self._slots[layer].copy_(value)


class StreamingLayer(nn.Module):
    """A layer with a past; ``new_slot`` is that past at the start of a stream."""

    def new_slot(self) -> Tensor:
        raise RuntimeError(f"{type(self).__name__} has no slot")


class CausalConv(StreamingLayer):
    """Conv1d of stride 1 over x (1, C, L), padded by (kernel - 1) · dilation on the left, or by its own past."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, groups=groups)
        self.reach = (kernel - 1) * dilation

    def new_slot(self) -> Tensor:
        return self.conv.weight.new_zeros((1, self.conv.in_channels, self.reach))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        if self.reach == 0:
            return self.conv(x)
        past = self.new_slot() if state is None else state.past(self)
        joined = torch.cat([past, x], dim=-1)
        if state is not None:
            state.write(self, joined[..., -self.reach :])
        return self.conv(joined)


class CausalTransposedConv(StreamingLayer):
    """ConvTranspose1d over x (1, C, L) -> (1, C', L · stride); the overlap of kernel - stride samples is the past.

    Under ``legacy`` padding the first kernel - stride samples of a sequence are cut as well, as the released codec
    did until 2026-02-05: a whole sequence, or the first piece of a stream, is that much shorter.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride)
        self.stride = stride
        self.overlap = kernel - stride
        self.legacy = False

    def new_slot(self) -> Tensor:
        return self.conv.weight.new_zeros((1, self.conv.out_channels, self.overlap))

    def bias(self) -> Tensor:
        if self.conv.bias is None:
            raise RuntimeError("the codec's transposed convolutions have a bias")
        return self.conv.bias

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        spread = nn.functional.conv_transpose1d(x, self.conv.weight, None, self.stride)
        length = x.shape[-1] * self.stride
        if state is not None and self.overlap:
            spread[..., : self.overlap] += state.past(self)
            state.write(self, spread[..., length:])
        first = state is None or state.position == 0
        start = self.overlap if self.legacy and first else 0
        return spread[..., start:length] + self.bias()[:, None]
