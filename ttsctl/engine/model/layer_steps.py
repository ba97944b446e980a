"""How a stack's layers take one step over a fixed cache: the seam between the network and what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.layers import DecoderLayer, attention


@dataclass(frozen=True, eq=False)
class StepPlace:
    """Where a step's rows stand, the same for all layers: n new positions of each of the cache's B sequences.

    ``at`` (B · n,) int64 are the positions, ``rows`` (B · n,) their flat rows of the cache; attention runs over the
    first ``reach`` places, under the mask (B, 1, n, reach), True = may attend. cos, sin (B · n, head_dim): rotations.
    """

    cache: FixedCache
    at: Tensor
    rows: Tensor
    reach: int
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

    def logits(self, head: nn.Module, hidden: Tensor) -> Tensor:
        """hidden (B, hidden) -> logits (B, vocab)."""
        ...


class TorchSteps:
    """The modules' own ``forward``, which probes can hook, and torch's attention under a mask."""

    def begin(self, cache: FixedCache, at: Tensor, reach: int) -> StepPlace:
        rows = (cache.starts[:, None] + at.view(cache.batch, -1)).flatten()
        mask = cache.places[:reach] <= at.view(cache.batch, 1, -1, 1)
        return StepPlace(cache, at, rows, reach, cache.cos[at], cache.sin[at], mask)

    def project(self, layer: DecoderLayer, index: int, x: Tensor, place: StepPlace) -> Tensor:
        q, k, v = layer.self_attn.project(layer.input_layernorm(x), place.cos, place.sin)
        place.cache.write(index, place.rows, k, v)
        return q

    def attend(self, layer: DecoderLayer, index: int, q: Tensor, place: StepPlace) -> Tensor:
        cache, reach = place.cache, place.reach
        queries = q.unflatten(1, (cache.batch, -1)).transpose(0, 1)
        keys = cache.keys[index, :, :, :reach].transpose(0, 1)
        values = cache.values[index, :, :, :reach].transpose(0, 1)
        return attention(queries, keys, values, place.mask)

    def add_attended(self, layer: DecoderLayer, x: Tensor, attended: Tensor) -> Tensor:
        return layer.add_attended(x, layer.self_attn.o_proj(attended))

    def feed(self, layer: DecoderLayer, x: Tensor) -> Tensor:
        return layer.feed(x)

    def norm(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x)

    def logits(self, head: nn.Module, hidden: Tensor) -> Tensor:
        return head(hidden)
