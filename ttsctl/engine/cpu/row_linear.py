"""Linear layers whose product is split into blocks of rows of the weight, so that several threads can share it.

The split depends on the weight's shape alone, and every output is computed wholly within one block, so that bits do not
depend on the number of threads, nor on whether one layer or several are computed at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.cpu.row_pool import RowPool

# A block holds about so many weights: 2 MB in float32, some 0.1 ms of memory traffic, where handing one over takes
# 0.01 to 0.03 ms. A weight of fewer than two blocks is not split.
BLOCK_WEIGHTS = 1 << 19
# Blocks start at a multiple of so many rows, so that a kernel's groups of rows are the same in every block.
ROW_STEP = 64

Block = tuple[Tensor, "Tensor | None"]


class RowProduct:
    """x (n, K) -> x times the transposed weight (N, K), plus the bias (N,): the blocks, laid out once after loading."""

    def __init__(self, weight: Tensor, bias: Tensor | None, pool: RowPool, block_weights: int = BLOCK_WEIGHTS) -> None:
        self.pool = pool
        self.blocks: list[Block] = [
            (weight[rows], None if bias is None else bias[rows])
            for rows in split_rows(weight.shape[0], weight.shape[1], block_weights)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """x (n, K) -> (n, N)."""
        return products_of([self], x)[0]


def split_rows(rows: int, columns: int, block_weights: int = BLOCK_WEIGHTS) -> list[slice]:
    """The blocks of a weight (rows, columns), in order; only the last may be short."""
    step = max(ROW_STEP, block_weights // columns // ROW_STEP * ROW_STEP)
    if rows < 2 * step:
        return [slice(0, rows)]
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def products_of(products: Sequence[RowProduct], x: Tensor) -> list[Tensor]:
    """The products of the same x (n, K), all blocks shared at once: the bits of one after another."""
    blocks = [block for product in products for block in product.blocks]
    parts = iter(products[0].pool.map(lambda block: _block_product(x, *block), blocks))
    own = [[next(parts) for _ in product.blocks] for product in products]
    return [each[0] if len(each) == 1 else torch.cat(each, -1) for each in own]


def _block_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None and x.shape[0] == 1:
        return torch.mv(weight, x[0])[None]
    return F.linear(x, weight, bias)


class RowLinear(nn.Linear):
    """``nn.Linear``, whose ``product`` computes it once ``split_linears`` has made one."""

    product: RowProduct | None = None

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) if self.product is None else self.product(input)


def apply_all(linears: Sequence[RowLinear], x: Tensor) -> list[Tensor]:
    """Every layer of the same x (n, K), together where each has a product and none is watched: the same bits."""
    products = [linear.product for linear in linears if linear.product is not None and "forward" not in vars(linear)]
    return products_of(products, x) if len(products) == len(linears) else [linear(x) for linear in linears]


def split_linears(module: nn.Module, pool: RowPool, block_weights: int = BLOCK_WEIGHTS) -> None:
    """Give every RowLinear on the CPU that has several blocks a product over ``pool``.

    Afterwards its weights must stay where they are.
    """
    for linear in module.modules():
        if isinstance(linear, RowLinear) and linear.weight.device.type == "cpu":
            product = RowProduct(linear.weight, linear.bias, pool, block_weights)
            linear.product = product if len(product.blocks) > 1 else None
