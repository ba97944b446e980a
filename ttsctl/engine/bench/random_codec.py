"""A codec of the released size with random weights: the same work as the released one, without its file."""

from __future__ import annotations

import torch
from torch import Tensor

from ttsctl.engine.model.build_released import released_codec
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.sizes import CodecSizes

RELEASED_CODEC = CodecSizes.read(released_codec(), "the released configuration")
LAYER_SCALE = 0.01
# Keeps the last convolution's output off the clamp at ±1, where differences would vanish.
OUTPUT_GAIN = 0.005


def random_codec(sizes: CodecSizes, seed: int, device: torch.device, dtype: torch.dtype) -> SpeechTokenizer:
    """Weights of variance 1 / fan-in from ``seed``, so that signals neither vanish nor blow up."""
    with torch.device("meta"):
        codec = SpeechTokenizer(sizes)
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _draw(name, tensor.shape, generator) for name, tensor in codec.state_dict().items()}
    last = f"decoder.decoder.{len(codec.decoder.decoder) - 1}.conv.weight"
    weights[last] *= OUTPUT_GAIN
    codec.load_state_dict({n: w.to(device, dtype) for n, w in weights.items()}, assign=True)
    codec.requires_grad_(False)
    codec.eval()
    return codec


def _draw(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    if name.endswith(("scale", "gamma")):
        return torch.full(shape, LAYER_SCALE)
    if name.endswith("cluster_usage") or "norm" in name.split(".")[-2]:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    if len(shape) == 1:
        return torch.zeros(shape)  # biases, and the snakes' alpha and beta, which are logarithms
    return torch.randn(shape, generator=generator) / shape[1:].numel() ** 0.5
