"""A talker of the released size with random weights: the same work as the released one, without its file."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ttsctl.model.sizes import TalkerSizes, TransformerSizes
from ttsctl.model.talker import Codegen, Talker

# config.json of Qwen3-TTS-12Hz-0.6B, as released, without its text vocabulary: looking a row up costs the same in any.
_STACK = TransformerSizes(
    hidden_size=1024,
    intermediate_size=3072,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    rms_norm_eps=1e-6,
    rope_theta=1_000_000.0,
    max_position_embeddings=32_768,
    attention_bias=False,
)
_PREDICTOR_LAYERS = 5
_CODEC_VOCABULARY = 3072
_PREDICTOR_VOCABULARY = 2048
_TEXT_HIDDEN = 2048


def released_talker(vocabulary: TalkerSizes) -> TalkerSizes:
    """The released 0.6B sizes, with the text vocabulary and the ids of another checkpoint."""
    return replace(
        vocabulary,
        talker=_STACK,
        predictor=replace(_STACK, num_hidden_layers=_PREDICTOR_LAYERS),
        codec_vocab_size=_CODEC_VOCABULARY,
        predictor_vocab_size=_PREDICTOR_VOCABULARY,
        text_hidden_size=_TEXT_HIDDEN,
    )


def random_talker(sizes: TalkerSizes, seed: int, device: torch.device, dtype: torch.dtype) -> Talker:
    """Weights of variance 1 / fan-in from ``seed``, drawn on the CPU; the end token's logit is always 0, never best."""
    with torch.device("meta"):
        codegen = Codegen(sizes)
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _draw(name, tensor.shape, generator) for name, tensor in codegen.state_dict().items()}
    weights["talker.codec_head.weight"][sizes.ids.codec_eos] = 0.0
    codegen.load_state_dict({n: w.to(device, dtype) for n, w in weights.items()}, assign=True)
    codegen.requires_grad_(False)
    codegen.eval()
    return codegen.talker


def _draw(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    if "norm" in name:
        return torch.ones(shape)
    scale = 1.0 if "embedding" in name else shape[-1] ** -0.5
    return torch.empty(shape).uniform_(-(3**0.5) * scale, 3**0.5 * scale, generator=generator)
