"""The codec's transformer: a sliding window over the last frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsctl.engine.model.layers import DecoderLayer, RMSNorm, causal_mask
from ttsctl.engine.model.rope import rope_table
from ttsctl.engine.model.sizes import CodecSizes, TransformerSizes
from ttsctl.engine.model.streaming import StreamingLayer, StreamState


class WindowLayer(StreamingLayer, DecoderLayer):
    """A decoder layer whose past is the rotated keys and the values of the last window - 1 frames."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__(sizes)
        self.sizes = sizes
        self.reach = (sizes.sliding_window or 1) - 1

    def new_slot(self) -> Tensor:
        """(2, kv_heads, window - 1, head_dim): keys, then values."""
        shape = (2, self.sizes.num_key_value_heads, self.reach, self.sizes.head_dim)
        return self.input_layernorm.weight.new_zeros(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, state: StreamState | None) -> Tensor:
        q, k, v = self.self_attn.project(self.input_layernorm(x), cos, sin)
        if state is not None:
            joined = torch.cat([state.past(self), torch.stack([k, v])], dim=2)
            state.write(self, joined[:, :, joined.shape[2] - self.reach :])
            k, v = joined
        return self.finish(x, self.self_attn.attend(q, k, v, mask))


class CodecTransformer(nn.Module):
    """latent (n, latent_dim) -> (n, latent_dim), under the codec's tensor names."""

    def __init__(self, sizes: CodecSizes) -> None:
        super().__init__()
        inner = sizes.transformer
        self.sizes = inner
        self.layers = nn.ModuleList(WindowLayer(inner) for _ in range(inner.num_hidden_layers))
        self.norm = RMSNorm(inner.hidden_size, inner.rms_norm_eps)
        self.input_proj = nn.Linear(sizes.latent_dim, inner.hidden_size)
        self.output_proj = nn.Linear(inner.hidden_size, sizes.latent_dim)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        n = x.shape[0]
        positions = torch.arange(n, device=x.device)
        if state is not None:
            positions = positions + state.device_position
        cos, sin = rope_table(positions, self.sizes.head_dim, self.sizes.rope_theta, x.dtype)
        mask = self._mask(n, None if state is None else state.device_position, x.device)
        hidden = self.input_proj(x)
        for layer in self.layers:
            hidden = layer(hidden, cos, sin, mask, state)
        return self.output_proj(self.norm(hidden))

    def _mask(self, n: int, start: Tensor | None, device: torch.device) -> Tensor:
        """True = may attend. A stream's slot always has window - 1 keys; those that are not written yet are masked.

        The shape depends on n alone, never on the position ``start`` (1,): other shapes would run other kernels, with
        other last bits. ``start`` None: a whole sequence.
        """
        window = self.sizes.sliding_window
        if start is None:
            return causal_mask(n, n, window, device)
        reach = (window or 1) - 1
        written = torch.arange(reach + n, device=device) >= reach - start
        return causal_mask(n, reach + n, window, device) & written
