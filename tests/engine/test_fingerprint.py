"""The device's fingerprint against the plain one, and what a fingerprint must notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ttsctl.core.fingerprint import fingerprint
from ttsctl.engine.recording.fingerprint import Fingerprints

CPU = torch.device("cpu")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=9)
ARRAYS = st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.float16, np.int16, np.uint8]).flatmap(
    lambda dtype: hnp.arrays(dtype, SHAPES)
)
VALUES = hnp.arrays(np.float32, st.integers(2, 40), elements=st.floats(0.5, 100, width=32))


def device_print(values: np.ndarray) -> int:
    """As another device computes it; the host's way must agree."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    found = Fingerprints(CPU, in_numpy=False).one(tensor)
    assert found == Fingerprints(CPU).one(tensor)
    return found


@settings(deadline=None, max_examples=120)
@given(ARRAYS)
def test_equals_the_plain_one(values: np.ndarray) -> None:
    """Any bits at all: NaN with payloads, infinities, denormals, negative zero, empty arrays."""
    assert device_print(values) == fingerprint(values)


@pytest.mark.parametrize("in_numpy", [True, False])
def test_bfloat16_is_printed_as_the_float32_that_it_equals(in_numpy: bool) -> None:
    prints = Fingerprints(CPU, in_numpy)
    rounded = torch.randn(37, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    for values in (rounded, torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)):
        as_float = (values.view(torch.int16).to(torch.int32) << 16).numpy()
        assert prints.one(values) == fingerprint(as_float)
    assert prints.one(rounded) != prints.one(rounded.to(torch.float16))


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize("shape", [(1, 100_000), (40, 1_500), (3, 40_000), (3, 39_999), (5, 0), (0, 7)])
def test_rows_across_blocks(shape: tuple[int, int], in_numpy: bool) -> None:
    """Wide rows and many rows go through in pieces."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = Fingerprints(CPU, in_numpy).rows(values).numpy().view(np.uint64)
    assert [int(v) for v in found] == [fingerprint(row.numpy()) for row in values]


@pytest.mark.parametrize("in_numpy", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64])
def test_many_values_at_once(in_numpy: bool, dtype: torch.dtype) -> None:
    """Of many shapes, some of them views, twice in one order and once in another."""
    generator = torch.Generator().manual_seed(4)
    shapes = [(4,), (1, 8), (2, 4, 4), (16,), (128,), (4, 1), (12, 4)]
    values = [(torch.randn(shape, generator=generator) * 99).to(dtype) for shape in shapes]
    values[-1] = values[-1].T
    prints = Fingerprints(CPU, in_numpy)
    for order in (values, values, values[::-1]):
        found = prints.each(order).numpy().view(np.uint64)
        assert [int(v) for v in found] == [fingerprint(raw(v)) for v in order]
    parts = prints.each([values[2], values[-1]], 4).numpy().view(np.uint64)
    wanted = [part for v in (values[2], values[-1].contiguous()) for part in v.flatten().chunk(4)]
    assert [int(v) for v in parts] == [fingerprint(raw(part)) for part in wanted]


def raw(value: torch.Tensor) -> np.ndarray:
    """The bytes that are printed."""
    wide = value.float() if value.dtype == torch.bfloat16 else value
    return wide.contiguous().view(torch.uint8).numpy()


def test_a_view_is_printed_as_its_copy() -> None:
    values = torch.randn(6, 8, generator=torch.Generator().manual_seed(2)).T
    assert Fingerprints(CPU).one(values) == fingerprint(values.contiguous().numpy())


def test_a_piece_that_begins_in_the_middle_of_a_word() -> None:
    values = torch.randn(41, generator=torch.Generator().manual_seed(8))[1:]
    prints = Fingerprints(CPU)
    assert prints.one(values) == int(prints.each([values]).numpy().view(np.uint64)[0]) == fingerprint(values.numpy())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_cuda_gives_the_same(dtype: torch.dtype) -> None:
    values = (torch.randn(9, 1_000, generator=torch.Generator().manual_seed(3)) * 50).to(dtype)
    prints = Fingerprints(torch.device("cuda"))
    assert torch.equal(prints.rows(values.cuda()).cpu(), Fingerprints(CPU).rows(values))
    assert torch.equal(prints.each(list(values.cuda())).cpu(), Fingerprints(CPU).each(list(values)))


@settings(deadline=None, max_examples=60)
@given(VALUES, st.data())
def test_notices_a_swap_of_two_places(values: np.ndarray, data: st.DataObject) -> None:
    first, second = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=2, max_size=2, unique=True))
    swapped = values.copy()
    swapped[[first, second]] = values[[second, first]]
    assert (device_print(swapped) == device_print(values)) == bool(values[first] == values[second])


@settings(deadline=None, max_examples=60)
@given(VALUES, st.randoms(use_true_random=False))
def test_notices_a_permutation(values: np.ndarray, random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = np.array(shuffled, np.float32)
    assert (device_print(other) == device_print(values)) == np.array_equal(other, values)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.data())
def test_notices_signs_also_in_pairs(values: np.ndarray, data: st.DataObject) -> None:
    """Two sign bits are the same power of two: a plain sum of weighted bits would lose the pair."""
    places = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=4, unique=True))
    flipped = values.copy()
    flipped[places] *= -1
    assert device_print(flipped) != device_print(values)


@settings(deadline=None, max_examples=60)
@given(VALUES, st.data())
def test_notices_one_bit(values: np.ndarray, data: st.DataObject) -> None:
    place, bit = data.draw(st.integers(0, len(values) - 1)), data.draw(st.integers(0, 31))
    other = values.copy()
    other.view(np.uint32)[place] ^= np.uint32(1 << bit)
    assert device_print(other) != device_print(values)


def test_notices_negative_zero_and_length() -> None:
    zeros = np.zeros(4, np.float32)
    assert device_print(zeros) != device_print(-zeros)
    assert device_print(zeros) != device_print(zeros[:3])


def test_no_two_prints_meet_among_many_neighbours() -> None:
    """All pairs of flipped bits in 8 elements: 32,640 prints, all different."""
    base = np.linspace(1, 2, 8, dtype=np.float32).view(np.uint32)
    bits = [(place, np.uint32(1 << bit)) for place in range(8) for bit in range(32)]
    rows = []
    for index, (place, mask) in enumerate(bits):
        for other, second in bits[index + 1 :]:
            row = base.copy()
            row[place] ^= mask
            row[other] ^= second
            rows.append(row)
    values = torch.from_numpy(np.array(rows).view(np.float32))
    assert len(Fingerprints(CPU).rows(values).unique()) == len(rows) == 32_640


def test_no_two_pairs_of_signs_meet() -> None:
    """Flipped signs alone, two at a time among 256 elements: a weighted sum of bits would keep them to 33 bits."""
    base = np.random.default_rng(6).standard_normal(256).astype(np.float32)
    first, second = np.triu_indices(256, 1)
    rows = np.repeat(base[None], len(first), axis=0)
    rows[np.arange(len(first)), first] *= -1
    rows[np.arange(len(first)), second] *= -1
    prints = Fingerprints(CPU).rows(torch.from_numpy(rows))
    assert len(prints.unique()) == len(rows) == 32_640
    pairs = torch.from_numpy(rows).view(len(rows), 128, 2).flip(-1).reshape(len(rows), 256)
    assert len(torch.cat([prints, Fingerprints(CPU).rows(pairs)]).unique()) == 2 * len(rows)
    low = prints.numpy().view(np.uint64) & np.uint64(0xFFFFFFFF)
    assert len(np.unique(low)) > 32_630, "the lower half must be as good as random"


def test_no_two_negated_words_meet() -> None:
    """Both signs of a word of 8 bytes, in two words at a time: what folding by half a word would all but lose."""
    base = np.random.default_rng(7).standard_normal((256, 2)).astype(np.float32)
    first, second = np.triu_indices(256, 1)
    rows = np.repeat(base[None], len(first), axis=0)
    rows[np.arange(len(first)), first] *= -1
    rows[np.arange(len(first)), second] *= -1
    low = Fingerprints(CPU).rows(torch.from_numpy(rows).flatten(1)).numpy().view(np.uint64) & np.uint64(0xFFFFFFFF)
    assert len(np.unique(low)) > 32_630, "the lower half must be as good as random"
