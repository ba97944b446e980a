"""Keys and values of a batch of sequences, in memory that never moves, so that a captured graph may write to it."""

from __future__ import annotations

import torch
from torch import Tensor

from ttsctl.engine.model.rope import rope_table
from ttsctl.engine.model.sizes import TransformerSizes

# Attention runs over the first 256, 512, 1024, ... places: shapes change, and with them last bits, only where a
# sequence grows out of one. Up to 256 it costs nothing: there the weights' memory traffic is all that counts.
FIRST_REACH = 256


def reach_of(positions: int) -> int:
    """The least of 256, 512, 1024, ... that holds ``positions``."""
    reach = FIRST_REACH
    while reach < positions:
        reach *= 2
    return reach


class FixedCache:
    """keys and values (layers, kv_heads, batch, capacity, head_dim); places that are not filled hold zeros.

    ``cos`` and ``sin`` (capacity, head_dim) are the rotations of its places, ``places`` (capacity,) their numbers.
    """

    def __init__(
        self, sizes: TransformerSizes, batch: int, capacity: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.sizes = sizes
        shape = (sizes.num_hidden_layers, sizes.num_key_value_heads, batch, capacity, sizes.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.places = torch.arange(capacity, device=device)
        # Where each sequence begins among all places of the batch.
        self.starts = torch.arange(batch, device=device) * capacity
        # Of the CPU, whatever the device: its cosines are not another's to the last bit.
        cos, sin = rope_table(torch.arange(capacity), sizes.head_dim, sizes.rope_theta, dtype)
        self.cos, self.sin = cos.to(device), sin.to(device)

    @property
    def batch(self) -> int:
        return self.keys.shape[2]

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def grown(self, capacity: int) -> FixedCache:
        """A new cache with room for ``capacity`` positions that holds the same; a graph still has the old one."""
        keys = self.keys
        new = FixedCache(self.sizes, self.batch, capacity, keys.device, keys.dtype)
        new.keys[:, :, :, : self.capacity] = keys
        new.values[:, :, :, : self.capacity] = self.values
        return new

    def write(self, layer: int, rows: Tensor, k: Tensor, v: Tensor) -> None:
        """k, v (kv_heads, n, head_dim) at the flat ``rows`` (n,) int64: batch row · capacity + place."""
        self.keys[layer].flatten(1, 2).index_copy_(1, rows, k)
        self.values[layer].flatten(1, 2).index_copy_(1, rows, v)
