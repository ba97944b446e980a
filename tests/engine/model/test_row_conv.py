"""Convolutions over rows against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ttsctl.engine.model import row_conv
from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv, StreamState

# float64, so that only an error of method could pass this.
TOLERANCE = 1e-12


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(5, 7, 7), (5, 1, 7), (6, 3, 1), (4, 4, 3)])
def test_convolve(inputs: int, outputs: int, kernel: int, dilation: int) -> None:
    x, weight, bias = draw(40, inputs), draw(outputs, inputs, kernel), draw(outputs)
    wanted = F.conv1d(x.T[None], weight, bias, dilation=dilation)[0].T
    torch.testing.assert_close(row_conv.convolve(x, weight, bias, dilation), wanted, atol=TOLERANCE, rtol=0)


def test_blocks_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = draw(40, 5), draw(7, 5, 7), draw(7)
    whole = row_conv.convolve(x, weight, bias, 3)
    monkeypatch.setattr(row_conv, "CPU_BLOCK_ELEMENTS", 5 * 9)
    torch.testing.assert_close(row_conv.convolve(x, weight, bias, 3), whole, atol=TOLERANCE, rtol=0)


def test_both_ways_to_sum_taps_agree() -> None:
    """``multiply_gathered_windows`` serves CUDA; a machine without it must still notice when it is wrong."""
    x, taps, bias = draw(46, 10)[:, ::2], draw(7, 5, 6), draw(6)
    one, other = x.new_empty(28, 6), x.new_empty(28, 6)
    row_conv.sum_shifted_products(one, x, taps, bias, 3)
    row_conv.multiply_gathered_windows(other, x, taps, bias, 3)
    torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)


def test_depthwise() -> None:
    x, weight, bias = draw(30, 5), draw(5, 1, 7), draw(5)
    wanted = F.conv1d(x.T[None], weight, bias, groups=5)[0].T
    torch.testing.assert_close(row_conv.convolve_depthwise(x, weight, bias, 1), wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("kernel", "stride"), [(6, 3), (2, 2), (5, 4)])
@pytest.mark.parametrize("legacy", [False, True])
def test_transposed_whole_and_in_pieces(kernel: int, stride: int, legacy: bool) -> None:
    layer = CausalTransposedConv(4, 3, kernel, stride).double().requires_grad_(False)
    layer.legacy = legacy
    x = draw(12, 4)
    overlap = kernel - stride
    uncut = F.conv_transpose1d(x.T[None], layer.conv.weight, layer.conv.bias, stride)[0].T
    wanted = uncut[overlap if legacy else 0 : 12 * stride]
    torch.testing.assert_close(layer(x), wanted, atol=TOLERANCE, rtol=0)
    state, pieces = StreamState(layer), []
    for piece in x.split([1, 4, 7]):
        pieces.append(layer(piece, state))
        state.advance(len(piece))
    torch.testing.assert_close(torch.cat(pieces), wanted, atol=TOLERANCE, rtol=0)


def test_causal_conv_in_pieces_is_the_whole() -> None:
    layer = CausalConv(4, 3, 7, dilation=3).double().requires_grad_(False)
    x = draw(40, 4)
    state = StreamState(layer)
    pieces = torch.cat([layer(piece, state) for piece in x.split([1, 30, 9])])
    torch.testing.assert_close(pieces, layer(x), atol=TOLERANCE, rtol=0)


def test_layout_changes_memory_and_nothing_else() -> None:
    layer = torch.nn.Conv1d(4, 3, 7)
    before = layer.weight.detach().clone()
    row_conv.order_weight_by_tap(layer)
    assert torch.equal(layer.weight, before)
    assert layer.weight.permute(2, 1, 0).is_contiguous()


def test_a_kernel_that_overlaps_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel 9"):
        CausalTransposedConv(4, 3, 9, 4)
