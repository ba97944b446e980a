"""Causal layers that run over a whole sequence or, with a StreamState, over its next piece.

Every streaming layer keeps its past in a slot of the caller's state and writes it in place. Without a state the past
is silence, which is the same as a stream's first piece.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsctl.engine.model import row_conv as rows


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

    def advance(self, frames: int) -> None:
        """Once all layers of a step have run: the stream stands ``frames`` further."""
        if self.commit:
            self.position += frames


class StreamingLayer(nn.Module):
    """A layer with a past; ``new_slot`` is that past at the start of a stream."""

    def new_slot(self) -> Tensor:
        raise RuntimeError(f"{type(self).__name__} has no slot")


class CausalConv(StreamingLayer):
    """Conv1d of stride 1 over rows x (L, C), padded by (kernel - 1) · dilation on the left, or by its own past.

    ``groups`` is 1, or the number of channels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, groups=groups)
        self.conv.register_load_state_dict_post_hook(rows.lay_out)
        self.dilation = dilation
        self.reach = (kernel - 1) * dilation

    def new_slot(self) -> Tensor:
        return self.conv.weight.new_zeros((self.reach, self.conv.in_channels))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        if self.reach:
            past = self.new_slot() if state is None else state.past(self)
            x = torch.cat([past, x])
            if state is not None:
                state.write(self, x[-self.reach :])
        convolve = rows.convolve if self.conv.groups == 1 else rows.convolve_depthwise
        return convolve(x, self.conv.weight, bias_of(self.conv), self.dilation)


class CausalTransposedConv(StreamingLayer):
    """ConvTranspose1d over rows x (L, C) -> (L · stride, C'); the overlap of kernel - stride rows is the past.

    Under ``legacy`` padding the first kernel - stride rows of a sequence are cut as well, as the released codec
    did until 2026-02-05: a whole sequence, or the first piece of a stream, is that much shorter.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        if not stride <= kernel <= 2 * stride:
            raise ValueError(f"kernel {kernel}: expected {stride} to {2 * stride} at stride {stride}")
        self.conv = nn.ConvTranspose1d(inputs, outputs, kernel, stride=stride)
        self.conv.register_load_state_dict_post_hook(rows.lay_out)
        self.stride = stride
        self.overlap = kernel - stride
        self.legacy = False

    def new_slot(self) -> Tensor:
        return self.conv.weight.new_zeros((self.overlap, self.conv.out_channels))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        spread = rows.spread(x, self.conv.weight)
        y = spread[:, : self.stride] + bias_of(self.conv)
        if self.overlap:
            y[1:, : self.overlap] += spread[:-1, self.stride :]
            if state is not None:
                y[0, : self.overlap] += state.past(self)
                state.write(self, spread[-1, self.stride :])
        first = state is None or state.position == 0
        return y.flatten(0, 1)[self.overlap if self.legacy and first else 0 :]


def bias_of(conv: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    """The bias that every convolution of the codec has but the quantizer's projections."""
    if conv.bias is None:
        raise RuntimeError("the codec's convolutions have a bias")
    return conv.bias
