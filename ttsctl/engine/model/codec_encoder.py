"""The codec encoder: PCM to codes, a Mimi encoder (Défossez et al., 2024) with the released tensor names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.model.codec import USAGE_FLOOR, RowProjection
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, EncoderTransformerSizes
from ttsctl.engine.model.layers import LayerScale
from ttsctl.engine.model.rope import rope_table, rotate
from ttsctl.engine.model.streaming import CausalConv


class StridedConv(nn.Module):
    """Causal Conv1d with a stride over rows x (L, C) -> (ceil(L / stride), C').

    Padded by kernel - stride rows on the left and, up to a whole stride, on the right: with zeros, or ``replicate``.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, bias: bool = True, replicate: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 2 * stride, stride=stride, bias=bias)
        self.stride = stride
        self.mode = "replicate" if replicate else "constant"

    def forward(self, x: Tensor) -> Tensor:
        missing = -len(x) % self.stride
        padded = F.pad(x.T[None], (self.stride, missing), mode=self.mode)
        return self.conv(padded)[0].T


class EncoderUnit(nn.Module):
    """ELU, causal conv to half the channels, ELU, 1×1 conv back, added to the input."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            [nn.ELU(), CausalConv(dim, dim // 2, kernel), nn.ELU(), CausalConv(dim // 2, dim, 1)]
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.block:
            y = layer(y)
        return x + y


class EncoderConvolutions(nn.Module):
    """pcm rows (N, 1) -> (ceil(N / product of rates), hidden)."""

    def __init__(self, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        width = sizes.num_filters
        layers: list[nn.Module] = [CausalConv(1, width, sizes.kernel_size)]
        for rate in sizes.rates:
            layers += [EncoderUnit(width, sizes.residual_kernel_size), nn.ELU(), StridedConv(width, 2 * width, rate)]
            width *= 2
        layers += [nn.ELU(), CausalConv(width, sizes.hidden_size, sizes.last_kernel_size)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class EncoderAttention(nn.Module):
    """Causal attention with RoPE."""

    def __init__(self, sizes: EncoderTransformerSizes) -> None:
        super().__init__()
        self.head_dim = sizes.head_dim
        width, kv_width = sizes.num_attention_heads * sizes.head_dim, sizes.num_key_value_heads * sizes.head_dim
        self.q_proj = nn.Linear(sizes.hidden_size, width, bias=False)
        self.k_proj = nn.Linear(sizes.hidden_size, kv_width, bias=False)
        self.v_proj = nn.Linear(sizes.hidden_size, kv_width, bias=False)
        self.o_proj = nn.Linear(width, sizes.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q, k, v = (
            projection(x).view(len(x), -1, self.head_dim).transpose(0, 1)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        grouped = q.shape[0] != k.shape[0]
        out = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=grouped)[0]
        return self.o_proj(out.transpose(0, 1).reshape(len(x), -1))


class EncoderMLP(nn.Module):
    """fc2(gelu(fc1(x)))."""

    def __init__(self, sizes: EncoderTransformerSizes) -> None:
        super().__init__()
        self.fc1 = nn.Linear(sizes.hidden_size, sizes.intermediate_size, bias=False)
        self.fc2 = nn.Linear(sizes.intermediate_size, sizes.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class EncoderLayer(nn.Module):
    """Pre-norm attention and MLP, each scaled and added to the residual stream."""

    def __init__(self, sizes: EncoderTransformerSizes) -> None:
        super().__init__()
        self.self_attn = EncoderAttention(sizes)
        self.mlp = EncoderMLP(sizes)
        self.input_layernorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.norm_eps)
        self.post_attention_layernorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.norm_eps)
        self.self_attn_layer_scale = LayerScale(sizes.hidden_size)
        self.mlp_layer_scale = LayerScale(sizes.hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn_layer_scale(self.self_attn(self.input_layernorm(x), cos, sin))
        return x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))


class EncoderTransformer(nn.Module):
    """Rows (n, hidden) -> (n, hidden), each attending to itself and all rows before it."""

    def __init__(self, sizes: EncoderTransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        positions = torch.arange(len(x), device=x.device)
        cos, sin = rope_table(positions, self.sizes.head_dim, self.sizes.rope_theta, x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return x


class EncoderCodebook(nn.Module):
    """As ``codec.Codebook``, under the encoder's tensor names; ``initialized`` is 1 once it was trained."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.initialized = nn.Parameter(torch.empty(1))
        self.cluster_usage = nn.Parameter(torch.empty(size))
        self.embed_sum = nn.Parameter(torch.empty(size, dim))

    @property
    def vectors(self) -> Tensor:
        """(size, dim)."""
        return self.embed_sum / self.cluster_usage.clamp(min=USAGE_FLOOR)[:, None]

    def nearest(self, x: Tensor, vectors: Tensor) -> Tensor:
        """Rows x (n, dim) -> the ids (n,) int64 of the nearest of ``vectors``, the lowest id on a tie."""
        return torch.cdist(x[None].float(), vectors[None].float())[0].argmin(-1)


class EncoderQuantizer(nn.Module):
    """Residual vector quantisation: each layer's nearest vector, of what the layers before it left."""

    def __init__(self, layers: int, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        self.input_proj = RowProjection(sizes.hidden_size, sizes.codebook_dim)
        # Loaded and checked with the others; encoding does not need it.
        self.output_proj = RowProjection(sizes.codebook_dim, sizes.hidden_size)
        self.layers = nn.ModuleList(nn.Module() for _ in range(layers))
        for layer in self.layers:
            layer.codebook = EncoderCodebook(sizes.codebook_size, sizes.codebook_dim)

    def encode(self, x: Tensor, count: int) -> Tensor:
        """Latents (n, hidden) -> codes (n, count) int64 of the first ``count`` layers."""
        rest, codes = self.input_proj(x), []
        layer: Any
        for layer in list(self.layers)[:count]:
            vectors = layer.codebook.vectors
            ids = layer.codebook.nearest(rest, vectors)
            rest = rest - vectors[ids]
            codes.append(ids)
        return torch.stack(codes, dim=1)


class SplitEncoderQuantizer(nn.Module):
    """The semantic layers and the acoustic ones, both of the same latents."""

    def __init__(self, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        self.semantic = sizes.num_semantic_quantizers
        self.semantic_residual_vector_quantizer = EncoderQuantizer(self.semantic, sizes)
        acoustic = sizes.num_quantizers - self.semantic
        self.acoustic_residual_vector_quantizer = EncoderQuantizer(acoustic, sizes)

    def encode(self, x: Tensor, count: int) -> Tensor:
        """Latents (n, hidden) -> codes (n, count) int64."""
        first = self.semantic_residual_vector_quantizer.encode(x, self.semantic)
        return torch.cat([first, self.acoustic_residual_vector_quantizer.encode(x, count - self.semantic)], dim=1)


class CodecEncoder(nn.Module):
    """pcm (N,) float32, 24 kHz -> codes (ceil(N / 1920), valid_quantizers) int64, 12.5 Hz."""

    def __init__(self, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = EncoderConvolutions(sizes)
        self.encoder_transformer = EncoderTransformer(sizes.transformer)
        self.downsample = StridedConv(sizes.hidden_size, sizes.hidden_size, sizes.compress, bias=False, replicate=True)
        self.quantizer = SplitEncoderQuantizer(sizes)

    def latents(self, pcm: Tensor) -> Tensor:
        """pcm (N,) -> latents (ceil(N / 1920), hidden)."""
        return self.downsample(self.encoder_transformer(self.encoder(pcm[:, None])))

    def forward(self, pcm: Tensor) -> Tensor:
        return self.quantizer.encode(self.latents(pcm), self.sizes.valid_quantizers)


class CodecEncoderNetwork(nn.Module):
    """The root whose tensor names start with ``encoder.``, as in speech_tokenizer/model.safetensors."""

    def __init__(self, sizes: CodecEncoderSizes) -> None:
        super().__init__()
        self.encoder = CodecEncoder(sizes)
