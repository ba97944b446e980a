"""Causal layers that run over a whole sequence or, with a StreamState, over its next piece.

Every streaming layer keeps its past in a slot of the caller's state and writes it in place. Without a state the past
is silence, as for a stream's first piece.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ttsctl.engine.model.row_conv import (
    convolve,
    convolve_depthwise,
    order_weight_by_tap,
    transposed_contributions,
)


class StreamState:
    """One slot for each streaming layer below ``root``. With ``commit`` False a call reads the past and keeps it.

    ``position`` counts the stream's frames on the host; ``device_position``, int64 (1,), is the same number on the
    device. What a step computes depends on the second alone, so that a captured step goes on with the stream. Slots
    and ``device_position`` are written in place and never replaced.
    """

    def __init__(self, root: nn.Module) -> None:
        self.commit = True
        self.position = 0
        self.device_position = torch.zeros(1, dtype=torch.int64, device=next(root.parameters()).device)
        self._slots = {layer: layer.new_slot() for layer in root.modules() if isinstance(layer, StreamingLayer)}

    def copy(self) -> StreamState:
        """A state that goes on from here on its own."""
        other = copy.copy(self)
        other.device_position = self.device_position.clone()
        other._slots = {layer: slot.clone() for layer, slot in self._slots.items()}
        return other

    def copy_from(self, other: StreamState) -> None:
        """Go on from where ``other`` is, a state of the same root, in the memory that this state has."""
        self.position = other.position
        self.device_position.copy_(other.device_position)
        for layer, slot in self._slots.items():
            slot.copy_(other._slots[layer])

    @property
    def layers(self) -> tuple[StreamingLayer, ...]:
        """The layers that have a slot."""
        return tuple(self._slots)

    @property
    def tensors(self) -> list[Tensor]:
        """All that a step reads and writes: ``device_position`` and the slots, in the order of the root's layers."""
        return [self.device_position, *self._slots.values()]

    def past(self, layer: StreamingLayer) -> Tensor:
        """A layer's slot, which is written in place."""
        return self._slots[layer]

    def write(self, layer: StreamingLayer, value: Tensor) -> None:
        if self.commit:
            self._slots[layer].copy_(value)

    def advance(self, frames: int) -> None:
        """Called once all layers of a step have run: the stream's position moves on by ``frames``."""
        self.advance_on_device(frames)
        self.advance_on_host(frames)

    def advance_on_device(self, frames: int) -> None:
        """The part of ``advance`` that belongs into a captured step."""
        if self.commit:
            self.device_position.add_(frames)

    def advance_on_host(self, frames: int) -> None:
        """The part of ``advance`` that the host does for every step, captured or not."""
        if self.commit:
            self.position += frames


class StreamingLayer(nn.Module):
    """A layer with a past."""

    def new_slot(self) -> Tensor:
        """The past at the start of a stream."""
        raise RuntimeError(f"{type(self).__name__} has no slot")


class CausalConv(StreamingLayer):
    """Conv1d of stride 1 over rows x (L, C), padded by (kernel - 1) · dilation on the left, or by its own past.

    ``groups`` is 1, or the number of channels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, groups=groups)
        self.conv.register_load_state_dict_post_hook(order_weight_by_tap)
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
        run = convolve if self.conv.groups == 1 else convolve_depthwise
        return run(x, self.conv.weight, bias_of(self.conv), self.dilation)


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
        self.conv.register_load_state_dict_post_hook(order_weight_by_tap)
        self.stride = stride
        self.overlap = kernel - stride
        self.legacy = False

    def new_slot(self) -> Tensor:
        return self.conv.weight.new_zeros((self.overlap, self.conv.out_channels))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        contributions = transposed_contributions(x, self.conv.weight)
        y = contributions[:, : self.stride] + bias_of(self.conv)
        if self.overlap:
            y[1:, : self.overlap] += contributions[:-1, self.stride :]
            if state is not None:
                y[0, : self.overlap] += state.past(self)
                state.write(self, contributions[-1, self.stride :])
        first = state is None or state.position == 0
        return y.flatten(0, 1)[self.overlap if self.legacy and first else 0 :]


def bias_of(conv: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    """The bias of a convolution; in the codec only the quantizer's projections have none."""
    if conv.bias is None:
        raise RuntimeError("the codec's convolutions have a bias")
    return conv.bias
