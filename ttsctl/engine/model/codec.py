"""The codec decoder: codes to PCM, over a whole sequence or frame by frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.model.codec_transformer import CodecTransformer
from ttsctl.engine.model.folded import Folded
from ttsctl.engine.model.sizes import CodecSizes
from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv, StreamState

SNAKE_EPSILON = 1e-9
USAGE_FLOOR = 1e-5
DILATIONS = (1, 3, 9)


class Codebook(Folded):
    """Vectors kept as sums and usage counts: vector = embedding_sum / max(cluster_usage, 1e-5), folded to a table."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.cluster_usage = nn.Parameter(torch.empty(size))
        self.embedding_sum = nn.Parameter(torch.empty(size, dim))

    def fold(self) -> tuple[Tensor]:
        """The vectors (size, dim)."""
        return (self.embedding_sum / self.cluster_usage.clamp(min=USAGE_FLOOR)[:, None],)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (n,) int64 -> (n, dim)."""
        (vectors,) = self.constants
        return vectors[ids]


class Quantizer(nn.Module):
    """One layer of residual vector quantisation, holding its codebook under the codec's tensor name."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self._codebook = Codebook(size, dim)


class RowProjection(nn.Conv1d):
    """A convolution of kernel 1 without bias, over rows x (n, C) -> (n, C')."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight[..., 0])


class ResidualQuantizer(nn.Module):
    """Sums the vectors of its codebooks and projects them: codes (n, layers) -> (n, codebook_dim)."""

    def __init__(self, layers: int, sizes: CodecSizes) -> None:
        super().__init__()
        inner = sizes.codebook_dim // 2
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList(Quantizer(sizes.codebook_size, inner) for _ in range(layers))
        self.output_proj = RowProjection(inner, sizes.codebook_dim)

    def forward(self, codes: Tensor) -> Tensor:
        quantizers: Any = self.vq.layers
        total = quantizers[0]._codebook(codes[:, 0])
        for index in range(1, codes.shape[1]):
            total = total + quantizers[index]._codebook(codes[:, index])
        return self.output_proj(total)


class SplitQuantizer(nn.Module):
    """Group 0 through ``rvq_first``, the others through ``rvq_rest``; their projections are added."""

    def __init__(self, sizes: CodecSizes) -> None:
        super().__init__()
        self.rvq_first = ResidualQuantizer(1, sizes)
        self.rvq_rest = ResidualQuantizer(sizes.num_quantizers - 1, sizes)

    def forward(self, codes: Tensor) -> Tensor:
        return self.rvq_first(codes[:, :1]) + self.rvq_rest(codes[:, 1:])


class SnakeBeta(Folded):
    """x + sin(e^alpha · x)^2 / (e^beta + 1e-9), per channel of rows x (L, C) (Ziyin et al., 2020; BigVGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))

    def fold(self) -> tuple[Tensor, Tensor]:
        """e^alpha and 1 / (e^beta + 1e-9), each (channels,)."""
        return self.alpha.exp(), 1.0 / (self.beta.exp() + SNAKE_EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        frequency, strength = self.constants
        wave = (x * frequency).sin_()
        return torch.addcmul(x, wave.mul_(wave), strength)


class ConvNeXt(nn.Module):
    """Depthwise causal conv, LayerNorm, two pointwise layers, scaled by gamma, added to the input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = CausalConv(dim, dim, 7, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        y = self.norm(self.dwconv(x, state))
        return x + self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))


class ResidualUnit(nn.Module):
    """Snake, dilated causal conv, snake, 1×1 conv, added to the input."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.act1 = SnakeBeta(dim)
        self.conv1 = CausalConv(dim, dim, 7, dilation)
        self.act2 = SnakeBeta(dim)
        self.conv2 = CausalConv(dim, dim, 1)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        return self.conv2(self.act2(self.conv1(self.act1(x), state))).add_(x)


class UpsampleBlock(nn.Module):
    """Snake, transposed conv by ``rate``, three residual units."""

    def __init__(self, inputs: int, outputs: int, rate: int) -> None:
        super().__init__()
        units = [ResidualUnit(outputs, dilation) for dilation in DILATIONS]
        self.block = nn.ModuleList([SnakeBeta(inputs), CausalTransposedConv(inputs, outputs, 2 * rate, rate), *units])

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        x = self.block[1](self.block[0](x), state)
        for unit in list(self.block)[2:]:
            x = unit(x, state)
        return x


class CodecDecoder(nn.Module):
    """codes (T, Q) int64, 12.5 Hz -> pcm (T · samples_per_frame,) float, 24 kHz.

    ``embed`` and ``pre_transformer`` make latents of the codes; ``waveform`` holds the convolutions that make PCM of
    them. The decode modes differ in which of the three keep a state and which run again.
    """

    def __init__(self, sizes: CodecSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.latent_dim
        self.quantizer = SplitQuantizer(sizes)
        self.pre_conv = CausalConv(sizes.codebook_dim, width, 3)
        self.pre_transformer = CodecTransformer(sizes)
        self.upsample = nn.ModuleList(
            nn.ModuleList([CausalTransposedConv(width, width, ratio, ratio), ConvNeXt(width)])
            for ratio in sizes.upsampling_ratios
        )
        self.decoder = nn.ModuleList(self._wave_layers(sizes))

    @staticmethod
    def _wave_layers(sizes: CodecSizes) -> list[nn.Module]:
        widths = [sizes.decoder_dim // 2**i for i in range(len(sizes.upsample_rates) + 1)]
        blocks = [UpsampleBlock(widths[i], widths[i + 1], rate) for i, rate in enumerate(sizes.upsample_rates)]
        first = CausalConv(sizes.latent_dim, widths[0], 7)
        return [first, *blocks, SnakeBeta(widths[-1]), CausalConv(widths[-1], 1, 7)]

    def set_legacy(self, legacy: bool) -> None:
        """Cut transposed convolutions on both sides, as the codec did until 2026-02-05, or only on the right."""
        for layer in self.modules():
            if isinstance(layer, CausalTransposedConv):
                layer.legacy = legacy

    @property
    def lost_samples(self) -> int:
        """Samples that are missing from a sequence, as against its frames: 555 under legacy padding, else 0.

        Each transposed convolution loses its overlap once, and every later one multiplies that loss by its stride.
        """
        lost = 0
        for layer in self.modules():
            if isinstance(layer, CausalTransposedConv):
                lost = lost * layer.stride + (layer.overlap if layer.legacy else 0)
        return lost

    def silence(self, samples: int) -> Tensor:
        """Zeros (samples,) of the decoder's dtype and device."""
        return self.pre_conv.conv.weight.new_zeros(samples)

    def new_state(self) -> StreamState:
        """A stream's state at its start; the caller owns it and passes it to every step."""
        return StreamState(self)

    def embed(self, codes: Tensor, state: StreamState | None = None) -> Tensor:
        """codes (n, Q) -> latents before the transformer (n, latent_dim)."""
        return self.pre_conv(self.quantizer(codes), state)

    def waveform(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """latents (n, latent_dim) -> pcm (samples,), clamped to [-1, 1]."""
        x = latents
        stage: Any
        for stage in self.upsample:
            transposed, convnext = stage
            x = convnext(transposed(x, state), state)
        for layer in self.decoder:
            x = layer(x) if isinstance(layer, SnakeBeta) else layer(x, state)
        return x[:, 0].clamp(-1.0, 1.0)

    def forward(self, codes: Tensor, state: StreamState | None = None) -> Tensor:
        """codes (n, Q) -> pcm; with a state, the next piece of a stream, whose position then moves on by n."""
        pcm = self.waveform(self.pre_transformer(self.embed(codes, state), state), state)
        if state is not None:
            state.advance(codes.shape[0])
        return pcm


class SpeechTokenizer(nn.Module):
    """The root whose tensor names start with ``decoder.``, as in speech_tokenizer/model.safetensors."""

    def __init__(self, sizes: CodecSizes) -> None:
        super().__init__()
        self.decoder = CodecDecoder(sizes)
