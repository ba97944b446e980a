"""The decoder layer that talker, predictor and codec transformer share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.cpu.row_linear import RowLinear, apply_all
from ttsctl.engine.model.rope import rotate
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


def causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """(queries, keys) bool, True = may attend; the last query is at the last key. ``window`` counts the query too."""
    query = torch.arange(keys - queries, keys, device=device)[:, None]
    key = torch.arange(keys, device=device)[None, :]
    mask = key <= query
    return mask if window is None else mask & (key > query - window)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """(B, heads, n, d) over (B, kv_heads, m, d) -> (B · n, heads · d); mask: True = may attend, or added."""
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)
    return out.transpose(1, 2).reshape(q.shape[0] * q.shape[2], -1)


class Attention(nn.Module):
    """Grouped-query attention with RoPE and, where the sizes say so, RMSNorm on queries and keys."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.num_attention_heads * sizes.head_dim
        kv_width = sizes.num_key_value_heads * sizes.head_dim
        self.q_proj = RowLinear(sizes.hidden_size, width, bias=sizes.attention_bias)
        self.k_proj = RowLinear(sizes.hidden_size, kv_width, bias=sizes.attention_bias)
        self.v_proj = RowLinear(sizes.hidden_size, kv_width, bias=sizes.attention_bias)
        self.o_proj = RowLinear(width, sizes.hidden_size, bias=sizes.attention_bias)
        self.q_norm = RMSNorm(sizes.head_dim, sizes.rms_norm_eps) if sizes.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(sizes.head_dim, sizes.rms_norm_eps) if sizes.qk_norm else nn.Identity()

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (n, hidden) -> rotated queries (heads, n, d), rotated keys and values (kv_heads, n, d)."""
        n, d = x.shape[0], self.sizes.head_dim
        q, k, v = apply_all((self.q_proj, self.k_proj, self.v_proj), x)
        q = self.q_norm(q.view(n, -1, d)).transpose(0, 1)
        k = self.k_norm(k.view(n, -1, d)).transpose(0, 1)
        v = v.view(n, -1, d).transpose(0, 1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """(heads, n, d) over (kv_heads, m, d) -> (n, hidden)."""
        return self.o_proj(attention(q[None], k[None], v[None], mask))


class MLP(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.gate_proj = RowLinear(sizes.hidden_size, sizes.intermediate_size, bias=False)
        self.up_proj = RowLinear(sizes.hidden_size, sizes.intermediate_size, bias=False)
        self.down_proj = RowLinear(sizes.intermediate_size, sizes.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = apply_all((self.gate_proj, self.up_proj), x)
        return self.down_proj(F.silu(gate) * up)


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
        return self.feed(self.add_attended(x, attended))

    def add_attended(self, x: Tensor, attended: Tensor) -> Tensor:
        """Residual x (n, hidden) and attention output -> the residual that the MLP takes."""
        return x + (self.self_attn_layer_scale(attended) if self.layer_scale else attended)

    def feed(self, x: Tensor) -> Tensor:
        """Residual x (n, hidden) -> with the MLP's output added."""
        fed = self.mlp(self.post_attention_layernorm(x))
        return x + (self.mlp_layer_scale(fed) if self.layer_scale else fed)
