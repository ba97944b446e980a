"""The contract's fingerprint on the device: many values at once, in few operations, and no read-back.

Bit for bit ``contract.fingerprint``: int64 arithmetic wraps as uint64 does, and a logical shift is an arithmetic one
with its copies of the sign masked off.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ttsctl.contract.fingerprint import GOLDEN, length_term, weights

_GOLDEN = GOLDEN - (1 << 64)
_LOW_HALF = 0xFFFFFFFF
_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
# On a CPU 2^15 elements, as int64, stay in the cache over the five passes. Elsewhere a block bounds the memory taken.
_CPU_BLOCK = 1 << 15
_DEVICE_BLOCK = 1 << 24


class Fingerprints:
    """Prints values that lie on one device; keeps the weights, which are the same for every value."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._block = _CPU_BLOCK if device.type == "cpu" else _DEVICE_BLOCK
        self._weights = torch.empty(0, dtype=torch.int64, device=device)
        self._lengths: dict[int, int] = {}

    def rows(self, values: Tensor) -> Tensor:
        """values (n, elements) of 2, 4 or 8 bytes an element -> the print of each row, (n,) int64 by its bits."""
        bits = values.contiguous().view(_BITS[values.element_size()])
        count, size = bits.shape
        table = self._table(size)
        if size > self._block:
            starts = range(0, size, self._block)
            parts = [_summed(bits[:, s : s + self._block], table[s : s + self._block]) for s in starts]
            total = torch.stack(parts).sum(0)
        elif count * size > self._block:
            step = max(1, self._block // size)
            total = torch.cat([_summed(bits[s : s + step], table) for s in range(0, count, step)])
        else:
            total = _summed(bits, table)
        return total + self._length(size)

    def one(self, value: Tensor) -> int:
        """The print of one value of any shape, read back, as ``contract.fingerprint`` gives it."""
        return int(self.rows(value.reshape(1, -1)).cpu().numpy().view(np.uint64)[0])

    def _table(self, size: int) -> Tensor:
        if len(self._weights) < size:
            grown = weights(max(size, 2 * len(self._weights))).view(np.int64)
            self._weights = torch.from_numpy(grown).to(self._device)
        return self._weights[:size]

    def _length(self, size: int) -> int:
        if size not in self._lengths:
            self._lengths[size] = int(length_term(size).view(np.int64))
        return self._lengths[size]


def _summed(bits: Tensor, table: Tensor) -> Tensor:
    """Integers (n, m) and the weights (m,) of their places -> (n,): the sum of mix(b) · weight."""
    product = bits.to(torch.int64, copy=True).mul_(_GOLDEN)
    upper = (product >> 32).bitwise_and_(_LOW_HALF)
    return product.bitwise_xor_(upper).mul_(table).sum(1)
