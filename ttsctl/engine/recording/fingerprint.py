"""``core.fingerprint`` on the device that holds the values: many at once, in few operations, without a read-back.

On the CPU the functions of ``core.fingerprint`` run over the memory of the tensors. Elsewhere int64 arithmetic gives
the same bits: it wraps as uint64 does, and a logical shift is an arithmetic shift with the sign's copies masked off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# One call into C++ for any number of values. The public functions need a Python loop, which took most of the time.
from torch._utils import _flatten_dense_tensors
from torch.nn import functional as F

from ttsctl.core.fingerprint import FIRST_SHIFT, GOLDEN, SECOND_SHIFT, WORD_BYTES, length_term, mix, weights

_GOLDEN = GOLDEN - (1 << 64)
# In words. On a CPU a block stays in the cache through all passes; elsewhere it bounds the memory taken.
_CPU_BLOCK = 1 << 14
_DEVICE_BLOCK = 1 << 24


class Fingerprints:
    """Fingerprints of values on one device. Keeps the weights, which are the same for every value.

    ``in_numpy`` False computes on a CPU as on any other device.
    """

    def __init__(self, device: torch.device, in_numpy: bool = True) -> None:
        self._device = device
        self._numpy = in_numpy and device.type == "cpu"
        self._block = _CPU_BLOCK if device.type == "cpu" else _DEVICE_BLOCK
        self._weights = torch.empty(0, dtype=torch.int64, device=device)
        self._layouts: dict[tuple[int, ...], _Layout] = {}
        self._lengths: dict[int, int] = {}

    def one(self, value: Tensor) -> int:
        """The fingerprint of one value of any shape, read back: what ``core.fingerprint.fingerprint`` gives."""
        return int(self.rows(value.reshape(1, -1)).cpu().numpy().view(np.uint64)[0])

    def rows(self, values: Tensor) -> Tensor:
        """values (n, elements) -> the fingerprint of each row, (n,), its uint64 bits as int64."""
        values = _widened(values)
        words = _words(values)
        count, size = words.shape
        table = self._table(size)
        if size > self._block:
            starts = range(0, size, self._block)
            parts = [self._summed(words[:, s : s + self._block], table[s : s + self._block]) for s in starts]
            total = torch.stack(parts).sum(0)
        elif count * size > self._block:
            step = max(1, self._block // size)
            total = torch.cat([self._summed(words[s : s + step], table) for s in range(0, count, step)])
        else:
            total = self._summed(words, table)
        return total + self._length(values.shape[1] * values.element_size())

    def each(self, values: list[Tensor], parts: int = 1) -> Tensor:
        """Values of one dtype and any shapes -> the fingerprint of each of their ``parts`` equal parts.

        (n · parts,), uint64 bits as int64. The parts must be ``whole_words``. All values are joined into one vector;
        the layout of every sequence of sizes is kept, as it is the same frame after frame.
        """
        flat = _widened(_flatten_dense_tensors(values))
        sizes = (parts, flat.element_size(), *[value.numel() for value in values])
        layout = self._layouts.get(sizes)
        if layout is None:
            layout = self._layouts[sizes] = self._layout(*sizes)
        words = _aligned(flat).view(torch.int64)
        if self._numpy:
            weighted = _mixed_on_host(words)
            weighted *= layout.weights.numpy().view(np.uint64)
            summed = np.add.reduceat(weighted, layout.first.numpy())
            return torch.from_numpy(summed.view(np.int64)) + layout.lengths
        # The sum of a value is the difference of two running sums; it is exact, as both wrap around.
        running = F.pad((_mixed(words) * layout.weights).cumsum(0), (1, 0))
        return running[layout.first + layout.words] - running[layout.first] + layout.lengths

    def _summed(self, words: Tensor, table: Tensor) -> Tensor:
        """Words (n, m) and the weights (m,) of their places -> (n,)."""
        if not self._numpy:
            return (_mixed(words) * table).sum(1)
        weighted = _mixed_on_host(words)
        weighted *= table.numpy().view(np.uint64)
        return torch.from_numpy(weighted.sum(1, dtype=np.uint64).view(np.int64))

    def _length(self, size: int) -> int:
        """What a length in bytes adds, as int64."""
        found = self._lengths.get(size)
        if found is None:
            term = length_term(size)
            found = self._lengths[size] = term - (1 << 64) if term >> 63 else term
        return found

    def _table(self, size: int) -> Tensor:
        if len(self._weights) < size:
            grown = weights(max(size, 2 * len(self._weights))).view(np.int64)
            self._weights = torch.from_numpy(grown).to(self._device)
        return self._weights[:size]

    def _layout(self, parts: int, element_size: int, *sizes: int) -> _Layout:
        lengths = [size * element_size // parts for size in sizes for _ in range(parts)]
        counts = [length // WORD_BYTES for length in lengths]
        words = torch.tensor(counts)
        table = self._table(max(counts))
        return _Layout(
            weights=torch.cat([table[:count] for count in counts]),
            first=(words.cumsum(0) - words).to(self._device),
            words=words.to(self._device),
            lengths=torch.tensor([self._length(length) for length in lengths], device=self._device),
        )


@dataclass(frozen=True)
class _Layout:
    """How values of certain sizes lie one after another.

    ``weights`` of all words; of each part its ``first`` word, its number of ``words``, and the term of its length.
    """

    weights: Tensor
    first: Tensor
    words: Tensor
    lengths: Tensor


def _widened(values: Tensor) -> Tensor:
    """bfloat16 as the equal float32: a bfloat16 and a float32 run then differ first where a value was rounded."""
    return values.float() if values.dtype == torch.bfloat16 else values


def whole_words(value: Tensor, parts: int = 1) -> bool:
    """Whether each of its equal parts is one whole word or more, as ``Fingerprints.each`` needs it."""
    size = value.numel() * value.element_size()
    return size > 0 and size % (WORD_BYTES * parts) == 0


def _words(values: Tensor) -> Tensor:
    """values (n, elements) -> (n, words) int64, padded with zeros."""
    if not values.shape[1]:
        return values.new_empty((len(values), 0), dtype=torch.int64)
    missing = -values.shape[1] * values.element_size() % WORD_BYTES
    if missing:
        values = F.pad(values.contiguous().view(torch.uint8), (0, missing))
    return _aligned(values.contiguous()).view(torch.int64)


def _aligned(values: Tensor) -> Tensor:
    """Contiguous values that begin at a whole word of their memory: the same, or a copy if they do not."""
    return values if values.storage_offset() * values.element_size() % WORD_BYTES == 0 else values.clone()


def _mixed_on_host(words: Tensor) -> np.ndarray:
    return mix(words.numpy().view(np.uint64))


def _mixed(words: Tensor) -> Tensor:
    """``core.fingerprint.mix`` in int64."""
    product = (words ^ _shifted(words, FIRST_SHIFT)).mul_(_GOLDEN)
    return product ^ _shifted(product, SECOND_SHIFT)


def _shifted(words: Tensor, places: int) -> Tensor:
    return (words >> places).bitwise_and_((1 << (64 - places)) - 1)
