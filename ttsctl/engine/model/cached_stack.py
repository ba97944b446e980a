"""A stack of decoder layers over a cache: a whole prompt at once, then one step after another of fixed shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.layer_steps import LayerSteps
from ttsctl.engine.model.layers import DecoderLayer, RMSNorm, attention, causal_mask
from ttsctl.engine.model.sizes import TransformerSizes


class CachedStack(nn.Module):
    """Decoder layers and a final norm; a FixedCache holds the keys and values of everything before."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.num_hidden_layers))
        self.norm = RMSNorm(sizes.hidden_size, sizes.rms_norm_eps)

    def prefill(self, x: Tensor, cache: FixedCache, sequence: int) -> Tensor:
        """The first inputs x (n, hidden) of one sequence of the cache -> normed hidden states (n, hidden)."""
        n = len(x)
        cos, sin, mask = cache.cos[:n], cache.sin[:n], causal_mask(n, n, None, x.device)
        layer: Any
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            cache.keys[index, :, sequence, :n] = k
            cache.values[index, :, sequence, :n] = v
            x = layer.finish(x, layer.self_attn.o_proj(attention(q[None], k[None], v[None], mask)))
        return self.norm(x)

    def step(self, x: Tensor, cache: FixedCache, at: Tensor, reach: int, steps: LayerSteps) -> Tensor:
        """New inputs x (B · n, hidden) at positions ``at`` (B · n,) int64, n a sequence -> normed (B · n, hidden).

        Attention runs over the first ``reach`` places, which must hold them. Its shapes depend on B, n and ``reach``
        alone, and nothing it computes on comes from the host: a graph of it may be replayed at other positions.
        """
        place = steps.begin(cache, at, reach)
        layer: Any
        for index, layer in enumerate(self.layers):
            q = steps.project(layer, index, x, place)
            x = steps.add_attended(layer, x, steps.attend(layer, index, q, place))
            x = steps.feed(layer, x)
        return steps.norm(self.norm, x)

    def new_cache(self, batch: int, capacity: int) -> FixedCache:
        """An empty cache on the weights' device and in their dtype."""
        weight: torch.Tensor = self.norm.weight
        return FixedCache(self.sizes, batch, capacity, weight.device, weight.dtype)
