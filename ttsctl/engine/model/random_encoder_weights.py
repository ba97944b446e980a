"""Random weights of the two encoders of a Base checkpoint: distinct voices, and codes that vary with the sound."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor

from ttsctl.engine.model.codec_encoder import CodecEncoderNetwork
from ttsctl.engine.model.random_weights import END_CHANNEL, uniform
from ttsctl.engine.model.speaker_encoder import SpeakerNetwork

# What makes latents about as long as the vectors of the first codebook, on speech at -20 dBFS.
LATENT_GAIN = 3.0
# A codebook of 64 vectors in 16 dimensions leaves 2^(-6/16) of a length: each next one is as much smaller.
SHRINK = 0.87
X_VECTOR_GAIN = 0.5
# Below zero, so that after ReLU a channel is silent for most sounds: what all voices share would drown the rest.
BLOCK_BIAS = -1.0
JOINED_BIAS = -5.0
LAYER_SCALE = 0.5


def speaker_weights(module: SpeakerNetwork, seed: int) -> dict[str, Tensor]:
    """Weights of the speaker encoder; its x-vector leaves the talker's end channel alone."""
    weights = {name: _speaker_weight(name, tuple(t.shape), seed) for name, t in module.state_dict().items()}
    # Taps that sum to zero over bands and frames: how loud the reference is does not drown whose voice it is.
    first = weights["speaker_encoder.blocks.0.conv.weight"]
    first -= first.mean((1, 2), keepdim=True)
    last = weights["speaker_encoder.fc.weight"]
    last -= last.mean(1, keepdim=True)
    last *= X_VECTOR_GAIN
    last[END_CHANNEL] = 0.0
    return weights


def _speaker_weight(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if name.endswith("mfa.conv.bias"):
        return torch.full(shape, JOINED_BIAS)
    if name.endswith("bias"):
        return torch.full(shape, BLOCK_BIAS if ".blocks." in name and ".se_block." not in name else 0.0)
    return uniform(name, shape, math.sqrt(2.0 / math.prod(shape[1:])), seed)


def codec_encoder_weights(module: CodecEncoderNetwork, seed: int) -> dict[str, Tensor]:
    """Weights of the codec encoder: each codebook about as large as what the ones before it leave."""
    weights = {name: _encoder_weight(name, tuple(t.shape), seed) for name, t in module.state_dict().items()}
    # Taps that sum to zero over time: what is the same in every frame would give each the same ids.
    down = weights["encoder.downsample.conv.weight"]
    down -= down.mean(-1, keepdim=True)
    down *= LATENT_GAIN
    for name, weight in weights.items():
        found = re.search(r"acoustic.*layers\.(\d+)\.codebook\.embed_sum", name)
        if found:
            weight *= SHRINK ** int(found[1])
    return weights


def _encoder_weight(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if name.endswith(("norm.weight", "cluster_usage", "initialized")):
        return torch.ones(shape)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if name.endswith("scale"):
        return torch.full(shape, LAYER_SCALE)
    if name.endswith("embed_sum"):
        return uniform(name, shape, 1.0, seed)
    return uniform(name, shape, 1.0 / math.sqrt(math.prod(shape[1:])), seed)
