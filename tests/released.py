"""The sizes of the released checkpoints, as numbers, and their tensor names and shapes in compact form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).parent / "data" / "released" / "tensor_shapes.json"
_CODEC_IDS = {
    "codec_bos_id": 2149,
    "codec_eos_token_id": 2150,
    "codec_pad_id": 2148,
    "codec_think_id": 2154,
    "codec_nothink_id": 2155,
    "codec_think_bos_id": 2156,
    "codec_think_eos_id": 2157,
}


def _stack(hidden: int, inner: int, layers: int, positions: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000,
        "max_position_embeddings": positions,
        "num_code_groups": 16,
    }


def talker_config(hidden: int, inner: int, model_size: str, model_type: str) -> dict[str, Any]:
    """config.json of a released size: (1024, 3072) is 0.6B, (2048, 6144) is 1.7B."""
    return {
        "tts_model_type": model_type,
        "tts_model_size": model_size,
        "im_start_token_id": 151644,
        "im_end_token_id": 151645,
        "tts_bos_token_id": 151672,
        "tts_eos_token_id": 151673,
        "tts_pad_token_id": 151671,
        "talker_config": {
            **_stack(hidden, inner, 28, 32768),
            **_CODEC_IDS,
            "vocab_size": 3072,
            "text_vocab_size": 151936,
            "text_hidden_size": 2048,
            "codec_language_id": {"english": 2050},
            "code_predictor_config": {**_stack(1024, 3072, 5, 65536), "vocab_size": 2048},
        },
    }


CODEC = {
    "output_sample_rate": 24000,
    "decode_upsample_rate": 1920,
    "decoder_config": {
        "latent_dim": 1024,
        "codebook_dim": 512,
        "codebook_size": 2048,
        "decoder_dim": 1536,
        "hidden_act": "silu",
        "hidden_size": 512,
        "intermediate_size": 1024,
        "max_position_embeddings": 8000,
        "head_dim": 64,
        "num_attention_heads": 16,
        "num_hidden_layers": 8,
        "num_key_value_heads": 16,
        "num_quantizers": 16,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000,
        "sliding_window": 72,
        "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2],
    },
}


def released_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape, from rows of (name with # for numbers, shape, numbers)."""
    shapes: dict[str, tuple[int, ...]] = {}
    for pattern, shape, numbers in json.loads(SHAPES.read_text())[name]:
        for row in _expand(numbers):
            parts = pattern.split("#")
            full = parts[0] + "".join(f"{n}{part}" for n, part in zip(row, parts[1:], strict=True))
            shapes[full] = tuple(shape)
    return shapes


def _expand(numbers: Any) -> list[list[int]]:
    if numbers is None:
        return [[]]
    if isinstance(numbers, str):
        first, last = (int(n) for n in numbers.split("-"))
        return [[n] for n in range(first, last + 1)]
    return [n if isinstance(n, list) else [n] for n in numbers]
