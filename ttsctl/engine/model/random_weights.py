"""Random weights for a checkpoint that speaks noise and ends its speech; the same bytes on any machine.

Every weight is drawn from SHAKE-128 of the tensor's name, so that it depends on no library's random numbers, and is
rounded to bfloat16, as released weights are.

A random talker would never end its speech, so one channel of its residual stream is reserved for that: only the text
embedding of tts_pad writes to it, no layer changes it, and only the head's row of the end token reads it. While there
is text left the end token has no chance; after the text it competes with the other ids and soon wins.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ttsctl.core.files import written_whole
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.sizes import TalkerSizes
from ttsctl.engine.model.talker import Codegen

END_CHANNEL = 0
END_PAD = 8.0
LOGIT_SCALE = 5.0
OUTPUT_GAIN = 0.05
RESIDUAL_GAIN = 0.5


def uniform(name: str, shape: tuple[int, ...], deviation: float, seed: int) -> Tensor:
    """Uniform float32 of the given standard deviation, from SHAKE-128 of seed and name."""
    count = math.prod(shape)
    raw = bytearray(hashlib.shake_128(f"{seed}/{name}".encode()).digest(2 * count))
    unit = (torch.frombuffer(raw, dtype=torch.int16).to(torch.float32) + 0.5) / 32768.0
    return (unit * (math.sqrt(3.0) * deviation)).reshape(shape)


def codegen_weights(module: Codegen, sizes: TalkerSizes, seed: int, end_head: float) -> dict[str, Tensor]:
    """Weights of talker and predictor, with the end channel; ``end_head`` is its weight in the end token's logit."""
    weights = {name: _codegen_weight(name, tuple(t.shape), seed) for name, t in module.state_dict().items()}
    _wire_end(weights, sizes, end_head)
    return weights


def _codegen_weight(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if "norm" in name:
        return torch.ones(shape)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if "embedding" in name:
        return uniform(name, shape, 1.0, seed)
    # The final norm makes hidden states of unit size, so a head of this deviation gives logits of LOGIT_SCALE.
    scale = LOGIT_SCALE if "head" in name else 1.0
    return uniform(name, shape, scale / math.sqrt(shape[-1]), seed)


def _wire_end(weights: dict[str, Tensor], sizes: TalkerSizes, end_head: float) -> None:
    pad, end = sizes.ids.tts_pad, sizes.ids.codec_eos
    for name, weight in weights.items():
        if name.startswith("talker.model.layers.") and name.endswith(("o_proj.weight", "down_proj.weight")):
            weight[END_CHANNEL] = 0.0
        if "codec_embedding" in name:
            weight[:, END_CHANNEL] = 0.0
    text = weights["talker.model.text_embedding.weight"]
    text[:, END_CHANNEL] = 0.0
    text[pad, END_CHANNEL] = 1.0
    inner, outer = "talker.text_projection.linear_fc1.weight", "talker.text_projection.linear_fc2.weight"
    weights[inner][:, END_CHANNEL] = 0.0
    weights[inner][END_CHANNEL] = 0.0
    weights[inner][END_CHANNEL, END_CHANNEL] = END_PAD
    weights[outer][END_CHANNEL] = 0.0
    weights[outer][END_CHANNEL, END_CHANNEL] = 1.0
    head = weights["talker.codec_head.weight"]
    head[:, END_CHANNEL] = 0.0
    head[end] = 0.0
    head[end, END_CHANNEL] = end_head


def codec_weights(module: SpeechTokenizer, seed: int) -> dict[str, Tensor]:
    """Weights of the codec decoder, loud enough and free of an offset."""
    weights = {name: _codec_weight(name, tuple(t.shape), seed) for name, t in module.state_dict().items()}
    last = max(int(name.split(".")[2]) for name in weights if name.startswith("decoder.decoder."))
    final = weights[f"decoder.decoder.{last}.conv.weight"]
    # Taps that sum to zero in each channel let no constant through, so the audio has no offset.
    final -= final.mean(-1, keepdim=True)
    final *= OUTPUT_GAIN
    return weights


def _codec_weight(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    if name.endswith(("norm.weight", "layernorm.weight", "cluster_usage")):
        return torch.ones(shape)
    if name.endswith(("bias", "alpha", "beta")):
        return torch.zeros(shape)
    if name.endswith(("scale", "gamma")):
        return torch.full(shape, 0.5)
    if name.endswith("embedding_sum"):
        return uniform(name, shape, 1.0, seed)
    fan_in = math.prod(shape[1:])
    if (".upsample." in name and ".0.conv" in name) or ".block.1.conv" in name:
        # Transposed convolution: each output sample gets kernel / stride taps of every input channel.
        fan_in = shape[0] * (1 if ".upsample." in name else 2)
    # Residual units have a low gain, or the signal would grow from block to block and drown in its harmonics.
    gain = RESIDUAL_GAIN if name.endswith(("conv1.conv.weight", "conv2.conv.weight")) else 1.0
    return uniform(name, shape, gain / math.sqrt(fan_in), seed)


def write_tensors(path: Path, weights: dict[str, Tensor]) -> None:
    rounded = {name: weight.to(torch.bfloat16).contiguous() for name, weight in weights.items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(save(rounded, metadata={"format": "pt"}))
