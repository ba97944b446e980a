"""Rotary position embedding, as plain rotations of one position axis."""

from __future__ import annotations

import torch
from torch import Tensor


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
