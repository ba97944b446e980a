"""A talker of the released size with random weights: the same work as the released one, without its file."""

from __future__ import annotations

import torch
from torch import Tensor

from ttsctl.engine.model.build_released import released_config
from ttsctl.engine.model.sizes import TalkerSizes
from ttsctl.engine.model.talker import Codegen, Talker


def released_talker(text_vocab_size: int) -> TalkerSizes:
    """The released 0.6B sizes for a text vocabulary of that size: looking a row up costs the same in any."""
    return TalkerSizes.read(released_config(text_vocab_size, "0.6B"), "the released configuration")


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
