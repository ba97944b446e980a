"""Convolutions over rows x (L, C), time by channels, as matrix products over shifted rows.

A tap is one of a kernel's k places in time: a matrix (C, C'). A stream's step has few rows and many channels; there
the convolution kernels of the numeric libraries spend their time on rearranging weights, which a matrix product does
not need. Weights keep the checkpoint's shapes; ``order_weight_by_tap`` orders their memory once, after loading, so
that every tap is a matrix without a copy.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# On the CPU a block of rows stays in the cache while all taps go over it; on CUDA it bounds the gathered copy.
CPU_BLOCK_ELEMENTS = 1 << 18
CUDA_BLOCK_ELEMENTS = 1 << 26


def order_weight_by_tap(module: nn.Module, _: Any = None) -> None:
    """Order the memory of a Conv1d's or ConvTranspose1d's weight by tap; its shape stays.

    Has the signature of a hook that runs after ``load_state_dict``. TypeError if the module has no weight.
    """
    weight = module.weight
    if not isinstance(weight, nn.Parameter):
        raise TypeError(f"{type(module).__name__} has no weight to order")
    if isinstance(module, nn.ConvTranspose1d):
        weight.data = weight.data.permute(0, 2, 1).contiguous().permute(0, 2, 1)
    else:
        weight.data = weight.data.permute(2, 1, 0).contiguous().permute(2, 1, 0)


def convolve(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """x (L + (k - 1) · dilation, C), weight (C', C, k), bias (C',) -> (L, C'): ``conv1d`` over rows."""
    taps = weight.permute(2, 1, 0)
    kernel, inputs, outputs = taps.shape
    if kernel == 1:
        return torch.addmm(bias, x, taps[0])
    if outputs == 1:
        return _convolve_to_one_channel(x, taps[..., 0], bias, dilation)
    reach = (kernel - 1) * dilation
    y = x.new_empty((x.shape[0] - reach, outputs))
    block = max(1, CUDA_BLOCK_ELEMENTS // (kernel * inputs) if x.is_cuda else CPU_BLOCK_ELEMENTS // inputs)
    add_products = multiply_gathered_windows if x.is_cuda else sum_shifted_products
    for start in range(0, len(y), block):
        add_products(y[start : start + block], x[start : start + block + reach], taps, bias, dilation)
    return y


def sum_shifted_products(y: Tensor, x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> None:
    """y (n, C') = bias + the sum over the taps (k, C, C') of shifted rows times tap. Copies nothing: best on a CPU."""
    torch.addmm(bias, x[: len(y)], taps[0], out=y)
    for tap in range(1, len(taps)):
        y.addmm_(x[tap * dilation : tap * dilation + len(y)], taps[tap])


def multiply_gathered_windows(y: Tensor, x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> None:
    """As ``sum_shifted_products``, in one product over gathered rows: few launches, one rounding: best on CUDA."""
    kernel, inputs, outputs = taps.shape
    row, column = x.stride()
    windows = x.as_strided((len(y), kernel, inputs), (row, dilation * row, column), x.storage_offset())
    torch.addmm(bias, windows.reshape(len(y), kernel * inputs), taps.reshape(kernel * inputs, outputs), out=y)


def _convolve_to_one_channel(x: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """Taps (k, C) to one output channel: all rows times all taps, then sums along the shifted diagonals."""
    kernel = len(taps)
    products = x @ taps.T
    rows = len(x) - (kernel - 1) * dilation
    diagonals = products.as_strided((rows, kernel), (kernel, dilation * kernel + 1))
    return (diagonals.sum(1) + bias)[:, None]


def convolve_depthwise(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """As ``convolve``, where every output channel has one input channel: weight (C, 1, k)."""
    taps = weight[:, 0].T
    rows = len(x) - (len(taps) - 1) * dilation
    y = torch.addcmul(bias, x[:rows], taps[0])
    for tap in range(1, len(taps)):
        y.addcmul_(x[tap * dilation : tap * dilation + rows], taps[tap])
    return y


def transposed_contributions(x: Tensor, weight: Tensor) -> Tensor:
    """x (L, C), weight (C, C', k) -> (L, k, C'): what each row of x adds to a transposed convolution's output."""
    inputs, outputs, kernel = weight.shape
    return (x @ weight.permute(0, 2, 1).reshape(inputs, kernel * outputs)).view(-1, kernel, outputs)
