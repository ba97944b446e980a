"""How a stack's layers take one step over a fixed cache: the seam between the network and what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.layers import DecoderLayer, attention


@dataclass(frozen=True, eq=False)
class StepPlace:
    """Where a step's rows stand, the same for all layers: n new positions of each of the cache's B sequences.

    ``at`` (B · n,) int64 are the positions; all lie in the first ``reach`` places.
    """

    cache: FixedCache
    at: Tensor
    reach: int


@dataclass(frozen=True, eq=False)
class MaskedPlace(StepPlace):
    """A place for torch's attention over the first ``reach`` places.

    ``rows`` (B · n,) int64 are the flat rows of the cache, the mask (B, 1, n, reach) is added: 0 or -inf,
    cos, sin (B · n, head_dim) are the rotations.
    """

    rows: Tensor
    cos: Tensor
    sin: Tensor
    mask: Tensor


class LayerSteps(Protocol):
    """What computes a layer's step. Rows x are (B · n, hidden), n of one sequence after another."""

    def begin(self, cache: FixedCache, at: Tensor, reach: int) -> StepPlace:
        """Positions (B · n,) int64 of the step's rows -> what all layers need of them."""
        ...

    def project(self, layer: DecoderLayer, index: int, x: Tensor, place: StepPlace) -> Tensor:
        """Norm, projections and rotation; keys and values go to layer ``index`` of the cache -> queries."""
        ...

    def attend(self, layer: DecoderLayer, index: int, q: Tensor, place: StepPlace) -> Tensor:
        """Queries -> what they attended to, (B · n, heads · head_dim)."""
        ...

    def add_attended(self, layer: DecoderLayer, x: Tensor, attended: Tensor) -> Tensor:
        """The output projection, added to the residual x."""
        ...

    def feed(self, layer: DecoderLayer, x: Tensor) -> Tensor:
        """Norm and MLP, added to the residual x."""
        ...

    def norm(self, norm: nn.Module, x: Tensor) -> Tensor:
        """The stack's last norm."""
        ...

    def linear(self, linear: nn.Module, x: Tensor) -> Tensor:
        """A head, or the projection between two stacks' widths, of rows x; the latter may be an ``nn.Identity``."""
        ...


class TorchSteps:
    """The modules' own ``forward``, which probes can hook, and torch's attention under a mask."""

    def begin(self, cache: FixedCache, at: Tensor, reach: int) -> StepPlace:
        rows = (cache.starts[:, None] + at.view(cache.batch, -1)).flatten()
        hidden = cache.places[:reach] > at.view(cache.batch, 1, -1, 1)
        # As attention would make it of a bool mask, but once for all layers.
        mask = torch.zeros(hidden.shape, dtype=cache.keys.dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)
        return MaskedPlace(cache, at, reach, rows, cache.cos[at], cache.sin[at], mask)

    def project(self, layer: DecoderLayer, index: int, x: Tensor, place: StepPlace) -> Tensor:
        masked = _masked(place)
        q, k, v = layer.self_attn.project(layer.input_layernorm(x), masked.cos, masked.sin)
        place.cache.write(index, masked.rows, k, v)
        return q

    def attend(self, layer: DecoderLayer, index: int, q: Tensor, place: StepPlace) -> Tensor:
        cache, reach = place.cache, place.reach
        queries = q.unflatten(1, (cache.batch, -1)).transpose(0, 1)
        keys = cache.keys[index, :, :, :reach].transpose(0, 1)
        values = cache.values[index, :, :, :reach].transpose(0, 1)
        return attention(queries, keys, values, _masked(place).mask)

    def add_attended(self, layer: DecoderLayer, x: Tensor, attended: Tensor) -> Tensor:
        return layer.add_attended(x, layer.self_attn.o_proj(attended))

    def feed(self, layer: DecoderLayer, x: Tensor) -> Tensor:
        return layer.feed(x)

    def norm(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x)

    def linear(self, linear: nn.Module, x: Tensor) -> Tensor:
        return linear(x)


def _masked(place: StepPlace) -> MaskedPlace:
    if not isinstance(place, MaskedPlace):
        raise TypeError(f"place: expected a MaskedPlace of this object's begin, got {type(place).__name__}")
    return place
