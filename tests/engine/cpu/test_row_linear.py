"""Products by blocks of rows: the same bits for every number of threads, alone or together, watched or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ttsctl.engine.cpu.row_linear import RowLinear, RowProduct, apply_all, products_of, split_linears, split_rows
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.recording.hooks import hooked, talker_modules

SMALL = 1 << 13


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("rows", [1, 64, 127, 128, 200, 1024, 3072, 4097])
@pytest.mark.parametrize("columns", [24, 1024, 3072])
def test_blocks_cover_every_row_once_and_begin_at_a_step(rows: int, columns: int) -> None:
    blocks = split_rows(rows, columns, 1 << 16)
    assert [row for block in blocks for row in range(rows)[block]] == list(range(rows))
    assert all(block.start % 64 == 0 for block in blocks)


def test_a_small_weight_is_not_split() -> None:
    assert split_rows(300, 512) == [slice(0, 300)]
    assert len(split_rows(3072, 1024)) == 6 and len(split_rows(1024, 3072)) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("inputs", [1, 2, 7])
@pytest.mark.parametrize("bias", [False, True])
def test_bits_do_not_depend_on_the_threads(dtype: torch.dtype, inputs: int, bias: bool) -> None:
    weight, x = drawn(1000, 96, dtype=dtype), drawn(inputs, 96, dtype=dtype)
    added = drawn(1000, dtype=dtype) if bias else None
    found = []
    for threads in (1, 2, 4):
        pool = RowPool(threads)
        product = RowProduct(weight, added, pool, SMALL)
        found += [product(x) for _ in range(5)]
        pool.close()
    assert found[0].shape == (inputs, 1000) and all(torch.equal(found[0], other) for other in found)
    wide = (x.double() @ weight.double().T + (0 if added is None else added.double())).to(dtype)
    torch.testing.assert_close(found[0], wide)


def test_every_block_alone_gives_its_part() -> None:
    weight, x, pool = drawn(1000, 96), drawn(1, 96), RowPool(2)
    whole = RowProduct(weight, None, pool, SMALL)(x)
    for rows in split_rows(1000, 96, SMALL):
        assert torch.equal(whole[:, rows], torch.mv(weight[rows], x[0])[None])
    pool.close()


def test_a_split_of_the_columns_by_threads_would_change_bits() -> None:
    """The control: what a product must not do. Sums over parts of K are added in another order."""
    weight, x = drawn(1000, 3072), drawn(1, 3072)
    by_threads = [
        torch.stack([F.linear(a, b) for a, b in zip(x.chunk(n, 1), weight.chunk(n, 1), strict=True)]).sum(0)
        for n in (1, 2, 4)
    ]
    assert not torch.equal(by_threads[0], by_threads[1]) or not torch.equal(by_threads[0], by_threads[2])


def test_together_apart_and_watched_give_the_same_bits() -> None:
    linears = [RowLinear(96, rows, bias=False) for rows in (512, 256, 100)]
    for linear in linears:
        linear.load_state_dict({"weight": drawn(linear.out_features, 96)})
    stack, pool, x = torch.nn.ModuleList(linears), RowPool(2), drawn(1, 96)
    split_linears(stack, pool, SMALL)
    together, seen = apply_all(linears, x), []
    probed = [each for each in talker_modules(stack) if each.module is linears[1]]
    with hooked([(probed[0], lambda before, after: seen.append(after))]):
        watched = apply_all(linears, x)
    assert len(seen) == 1
    for a, b, c in zip(together, watched, (linear(x) for linear in linears), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
    pool.close()


def test_the_blocks_are_views_of_the_module_s_weight() -> None:
    linear, pool = RowLinear(96, 512, bias=False), RowPool(1)
    split_linears(linear, pool, SMALL)
    assert linear.product is not None and len(linear.product.blocks) > 1
    storage = linear.weight.untyped_storage().data_ptr()
    assert all(block.untyped_storage().data_ptr() == storage for block, _ in linear.product.blocks)
    linear.weight.zero_()
    assert not products_of([linear.product], drawn(1, 96))[0].any()
