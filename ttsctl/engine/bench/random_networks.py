"""Networks of the released size with random weights: the same work as the released ones, without their files."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from ttsctl.engine.model.build_released import (
    released_codec,
    released_config,
    with_codec_encoder,
    with_speaker_encoder,
)
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.codec_encoder import CodecEncoder, CodecEncoderNetwork
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, SpeakerSizes
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.random_encoder_weights import codec_encoder_weights, speaker_weights
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes
from ttsctl.engine.model.speaker_encoder import SpeakerEncoder, SpeakerNetwork
from ttsctl.engine.model.talker import Codegen, Talker

RELEASED_CODEC = CodecSizes.read(released_codec(), "the released configuration")
LAYER_SCALE = 0.01
# Keeps the last convolution's output off the clamp at ±1, where differences would vanish.
OUTPUT_GAIN = 0.005
M = TypeVar("M", bound=nn.Module)


def released_talker(text_vocab_size: int, size: str = "0.6B") -> TalkerSizes:
    """The released sizes of 0.6B or 1.7B for a text vocabulary of another size, as a look-up costs the same in any."""
    return TalkerSizes.read(released_config(text_vocab_size, size), "the released configuration")


def random_talker(sizes: TalkerSizes, seed: int, device: torch.device, dtype: torch.dtype) -> Talker:
    """Weights of variance 1 / fan-in from ``seed``, drawn on the CPU; the end token's logit is always 0, never best."""
    codegen = build_on_meta(lambda: Codegen(sizes))
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _codegen_weight(name, t.shape, generator) for name, t in codegen.state_dict().items()}
    weights["talker.codec_head.weight"][sizes.ids.codec_eos] = 0.0
    return _with_weights(codegen, weights, device, dtype).talker


def random_codec(sizes: CodecSizes, seed: int, device: torch.device, dtype: torch.dtype) -> SpeechTokenizer:
    """Weights of variance 1 / fan-in from ``seed``, drawn on the CPU, so that signals neither vanish nor blow up."""
    codec = build_on_meta(lambda: SpeechTokenizer(sizes))
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _codec_weight(name, t.shape, generator) for name, t in codec.state_dict().items()}
    weights[f"decoder.decoder.{len(codec.decoder.decoder) - 1}.conv.weight"] *= OUTPUT_GAIN
    return _with_weights(codec, weights, device, dtype)


def random_encoders(seed: int, device: torch.device, dtype: torch.dtype) -> tuple[SpeakerEncoder, CodecEncoder]:
    """Both encoders of the released 0.6B-Base, with random weights from ``seed``."""
    where = "the released configuration"
    speaker_sizes = SpeakerSizes.read(with_speaker_encoder(released_config(1, "0.6B")), where)
    codec_sizes = CodecEncoderSizes.read(with_codec_encoder(released_codec()), where)
    speaker = build_on_meta(lambda: SpeakerNetwork(speaker_sizes))
    codec = build_on_meta(lambda: CodecEncoderNetwork(codec_sizes))
    made = _with_weights(speaker, speaker_weights(speaker, seed), device, dtype)
    return made.speaker_encoder, _with_weights(codec, codec_encoder_weights(codec, seed), device, dtype).encoder


def _codegen_weight(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    if "norm" in name:
        return torch.ones(shape)
    scale = 1.0 if "embedding" in name else shape[-1] ** -0.5
    return torch.empty(shape).uniform_(-(3**0.5) * scale, 3**0.5 * scale, generator=generator)


def _codec_weight(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith(("scale", "gamma")):
        return torch.full(shape, LAYER_SCALE)
    if name.endswith("cluster_usage") or "norm" in name.split(".")[-2]:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    if len(shape) == 1:
        return torch.zeros(shape)  # biases, and the snakes' alpha and beta, which are logarithms
    return torch.randn(shape, generator=generator) / shape[1:].numel() ** 0.5


def _with_weights(module: M, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> M:
    """The module with these weights on ``device``, for inference."""
    module.load_state_dict({name: weight.to(device, dtype) for name, weight in weights.items()}, assign=True)
    module.requires_grad_(False)
    module.eval()
    return module
