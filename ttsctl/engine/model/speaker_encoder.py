"""The speaker encoder: an ECAPA-TDNN over a log-mel spectrogram (Desplanques et al., 2020), with the released names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsctl.engine.model.encoder_sizes import SpeakerSizes

# Keeps the root of a variance that is zero differentiable, as in the reference implementation.
VARIANCE_FLOOR = 1e-12


class SameConv(nn.Conv1d):
    """A convolution over (C, T) that keeps the length, with reflection at the ends."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation, padding="same", padding_mode="reflect")


class TdnnBlock(nn.Module):
    """Convolution and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = SameConv(inputs, outputs, kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


class Res2Net(nn.Module):
    """Channels in ``scale`` parts: the first as it is, each later one through a block, plus the part before it."""

    def __init__(self, channels: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        part = channels // scale
        self.blocks = nn.ModuleList(TdnnBlock(part, part, kernel, dilation) for _ in range(scale - 1))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        first, *others = x.chunk(self.scale)
        parts = [first]
        for index, (block, part) in enumerate(zip(self.blocks, others, strict=True)):
            parts.append(block(part if index == 0 else part + parts[-1]))
        return torch.cat(parts)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate of all channels' means over time."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = SameConv(channels, inner)
        self.conv2 = SameConv(inner, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.relu(self.conv1(x.mean(1, keepdim=True)))
        return x * torch.sigmoid(self.conv2(gate))


class SqueezeRes2Block(nn.Module):
    """TDNN, Res2Net, TDNN, squeeze and excitation, added to the input."""

    def __init__(self, channels: int, kernel: int, dilation: int, sizes: SpeakerSizes) -> None:
        super().__init__()
        self.tdnn1 = TdnnBlock(channels, channels, 1)
        self.res2net_block = Res2Net(channels, sizes.res2net_scale, kernel, dilation)
        self.tdnn2 = TdnnBlock(channels, channels, 1)
        self.se_block = SqueezeExcitation(channels, sizes.se_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.se_block(self.tdnn2(self.res2net_block(self.tdnn1(x)))) + x


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, (C, T) -> (2C, 1), weighted by an attention over frames."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.tdnn = TdnnBlock(3 * channels, attention, 1)
        self.conv = SameConv(attention, channels)

    def forward(self, x: Tensor) -> Tensor:
        uniform = torch.full_like(x[:1], 1.0 / x.shape[1])
        context = torch.cat([x, *(s.expand_as(x) for s in _statistics(x, uniform))])
        weights = torch.softmax(self.conv(torch.tanh(self.tdnn(context))), dim=1)
        return torch.cat(_statistics(x, weights))


def _statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = (weights * x).sum(1, keepdim=True)
    variance = (weights * (x - mean).pow(2)).sum(1, keepdim=True)
    return mean, variance.clamp(min=VARIANCE_FLOOR).sqrt()


class SpeakerEncoder(nn.Module):
    """Log-mel frames (T, mel_bands) -> x-vector (enc_dim,)."""

    def __init__(self, sizes: SpeakerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        first, *inner, wide = sizes.channels
        self.blocks = nn.ModuleList([TdnnBlock(sizes.mel_bands, first, sizes.kernels[0], sizes.dilations[0])])
        for channels, kernel, dilation in zip(inner, sizes.kernels[1:-1], sizes.dilations[1:-1], strict=True):
            self.blocks.append(SqueezeRes2Block(channels, kernel, dilation, sizes))
        self.mfa = TdnnBlock(sum(inner), wide, sizes.kernels[-1], sizes.dilations[-1])
        self.asp = AttentiveStatistics(wide, sizes.attention_channels)
        self.fc = SameConv(2 * wide, sizes.enc_dim)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel.T
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        joined = self.mfa(torch.cat(outputs[1:]))
        return self.fc(self.asp(joined))[:, 0]


class SpeakerNetwork(nn.Module):
    """The root whose tensor names start with ``speaker_encoder.``, as in model.safetensors."""

    def __init__(self, sizes: SpeakerSizes) -> None:
        super().__init__()
        self.speaker_encoder = SpeakerEncoder(sizes)
