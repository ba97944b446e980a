"""What the kernels of one layer work on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ProjectionWeights:
    """The norm before a layer's attention, its projections (N, K), and the norms (head_dim,) of queries and keys."""

    norm: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    q_norm: Tensor
    k_norm: Tensor
    eps: float


@dataclass(frozen=True, eq=False)
class CacheLayer:
    """Keys and values of one layer, (kv_heads, batch, capacity, head_dim), contiguous; written in place."""

    keys: Tensor
    values: Tensor

    @property
    def kv_heads(self) -> int:
        return self.keys.shape[0]

    @property
    def batch(self) -> int:
        return self.keys.shape[1]

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    @property
    def head_dim(self) -> int:
        return self.keys.shape[3]
