"""The decoder layer that talker, predictor and codec transformer share, and the KV state of talker and predictor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.model.sizes import TransformerSizes


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) in float32, times a weight (Zhang & Sennrich, 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * scaled.to(x.dtype)


def rope_table(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """positions (n,) int64 -> cos and sin, each (n, head_dim), computed in float32 (Su et al., 2021).

    The three rows of the checkpoint's multimodal RoPE are equal for speech, so plain RoPE is exact.
    """
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device) / head_dim
    angle = positions.float()[:, None] * (1.0 / theta**exponent)[None, :]
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply RoPE to x (heads, n, head_dim) with cos, sin (n, head_dim)."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


class KVState:
    """Keys and values of every layer, each (layers, kv_heads, capacity, head_dim); ``length`` positions are filled.

    The caller owns it. It is written in place, so that a captured graph sees the same memory, and grows by doubling.
    """

    def __init__(self, sizes: TransformerSizes, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        self.sizes = sizes
        self.length = 0
        shape = (sizes.num_hidden_layers, sizes.num_key_value_heads, capacity, sizes.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self._fill_rope(capacity)

    @property
    def capacity(self) -> int:
        return self.keys.shape[2]

    def reserve(self, positions: int) -> None:
        """Make room for ``positions`` in all; what is filled stays."""
        if positions <= self.capacity:
            return
        capacity = max(positions, 2 * self.capacity)
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros((*old.shape[:2], capacity, old.shape[3]))
            new[:, :, : self.length] = old[:, :, : self.length]
            setattr(self, name, new)
        self._fill_rope(capacity)

    def _fill_rope(self, capacity: int) -> None:
        positions = torch.arange(capacity, device=self.keys.device)
        self.cos, self.sin = rope_table(positions, self.sizes.head_dim, self.sizes.rope_theta, self.keys.dtype)


def causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """(queries, keys) bool, True = may attend; the last query is at the last key. ``window`` counts the query too."""
    query = torch.arange(keys - queries, keys, device=device)[:, None]
    key = torch.arange(keys, device=device)[None, :]
    mask = key <= query
    return mask if window is None else mask & (key > query - window)


class Attention(nn.Module):
    """Grouped-query attention with RoPE and, where the sizes say so, RMSNorm on queries and keys."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.num_attention_heads * sizes.head_dim
        kv_width = sizes.num_key_value_heads * sizes.head_dim
        self.q_proj = nn.Linear(sizes.hidden_size, width, bias=sizes.attention_bias)
        self.k_proj = nn.Linear(sizes.hidden_size, kv_width, bias=sizes.attention_bias)
        self.v_proj = nn.Linear(sizes.hidden_size, kv_width, bias=sizes.attention_bias)
        self.o_proj = nn.Linear(width, sizes.hidden_size, bias=sizes.attention_bias)
        self.q_norm = RMSNorm(sizes.head_dim, sizes.rms_norm_eps) if sizes.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(sizes.head_dim, sizes.rms_norm_eps) if sizes.qk_norm else nn.Identity()

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (n, hidden) -> rotated queries (heads, n, d), rotated keys and values (kv_heads, n, d)."""
        n, d = x.shape[0], self.sizes.head_dim
        q = self.q_norm(self.q_proj(x).view(n, -1, d)).transpose(0, 1)
        k = self.k_norm(self.k_proj(x).view(n, -1, d)).transpose(0, 1)
        v = self.v_proj(x).view(n, -1, d).transpose(0, 1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """(heads, n, d) over (kv_heads, m, d) -> (n, hidden)."""
        grouped = q.shape[0] != k.shape[0]
        out = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, enable_gqa=grouped)[0]
        return self.o_proj(out.transpose(0, 1).reshape(q.shape[1], -1))


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(sizes.hidden_size, sizes.intermediate_size, bias=False)
        self.up_proj = nn.Linear(sizes.hidden_size, sizes.intermediate_size, bias=False)
        self.down_proj = nn.Linear(sizes.intermediate_size, sizes.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LayerScale(nn.Module):
    """A learned factor for each channel of a residual branch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class DecoderLayer(nn.Module):
    """Pre-norm attention and MLP, each added to the residual stream."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.self_attn = Attention(sizes)
        self.mlp = MLP(sizes)
        self.input_layernorm = RMSNorm(sizes.hidden_size, sizes.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(sizes.hidden_size, sizes.rms_norm_eps)
        if sizes.layer_scale:
            self.self_attn_layer_scale = LayerScale(sizes.hidden_size)
            self.mlp_layer_scale = LayerScale(sizes.hidden_size)
        self.layer_scale = sizes.layer_scale

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Residual x (n, hidden) and attention output -> the layer's output."""
        x = x + (self.self_attn_layer_scale(attended) if self.layer_scale else attended)
        fed = self.mlp(self.post_attention_layernorm(x))
        return x + (self.mlp_layer_scale(fed) if self.layer_scale else fed)


class CachedStack(nn.Module):
    """Decoder layers and a final norm, which run over new positions; a KVState holds everything before them."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.num_hidden_layers))
        self.norm = RMSNorm(sizes.hidden_size, sizes.rms_norm_eps)

    def run(self, x: Tensor, state: KVState) -> Tensor:
        """New inputs x (n, hidden) at the positions after ``state.length`` -> normed hidden states (n, hidden)."""
        start, end = state.length, state.length + x.shape[0]
        state.reserve(end)
        cos, sin = state.cos[start:end], state.sin[start:end]
        # A single query may attend to every key, so it needs no mask.
        mask = None if x.shape[0] == 1 else causal_mask(x.shape[0], end, None, x.device)
        layer: Any
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.input_layernorm(x), cos, sin)
            state.keys[index, :, start:end] = k
            state.values[index, :, start:end] = v
            attended = layer.self_attn.attend(q, state.keys[index, :, :end], state.values[index, :, :end], mask)
            x = layer.finish(x, attended)
        state.length = end
        return self.norm(x)
