"""A checkpoint of a released size with random weights: the same work as the released one, without its files.

``python -m ttsctl.engine.model.build_released FOLDER [0.6B|1.7B] [--base]`` writes 1.4 or 3.6 GB in the official
layout; with ``--base`` a Base checkpoint, with both encoders.
Every tensor has the released shape except the text embedding, which has as many rows as the built-in's tokenizer has
ids; the number of rows does not change the computation. It speaks noise and may never draw the end token: set
``sampling.max_new_tokens``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ttsctl.core.errors import InputError, nearest
from ttsctl.engine.model.random_base_configs import ENCODER, without_speakers
from ttsctl.engine.model.random_checkpoint import write_checkpoint
from ttsctl.engine.model.random_configs import GENERATION, RELEASED_CODEBOOK, codec_config_json, talker_config
from ttsctl.engine.model.random_tokenizer import write_tokenizer

SEED = 1
# The end token's logit at these widths (see ``random_weights``): high enough to be drawn, low enough not to be always.
END_HEAD = 5.75
# Hidden and intermediate size of the talker; the predictor has those of 0.6B in both releases.
SIZES = MappingProxyType({"0.6B": (1024, 3072), "1.7B": (2048, 6144)})
_HEADS = MappingProxyType({"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128})
_CODEC = MappingProxyType(
    {
        "codebook_size": RELEASED_CODEBOOK,
        "codebook_dim": 512,
        "latent_dim": 1024,
        "decoder_dim": 1536,
        "hidden_size": 512,
        "intermediate_size": 1024,
        "head_dim": 64,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "num_hidden_layers": 8,
        "sliding_window": 72,
    }
)
_ENCODER = MappingProxyType(
    {
        "codebook_dim": 256,
        "codebook_size": RELEASED_CODEBOOK,
        "hidden_size": 512,
        "intermediate_size": 2048,
        "head_dim": 64,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "num_hidden_layers": 8,
        "num_filters": 64,
        "num_quantizers": 32,
    }
)


def build(folder: Path, size: str = "0.6B", base: bool = False) -> None:
    """Write the whole checkpoint into ``folder``. InputError for a size that was not released."""
    if size not in SIZES:
        raise InputError(f"size {size!r}: not a released one", nearest(size, list(SIZES)))
    config, codec = released_config(write_tokenizer(folder), size), released_codec()
    if base:
        config, codec = with_speaker_encoder(config), with_codec_encoder(codec)
    write_checkpoint(folder, config, codec, {**GENERATION, "max_new_tokens": 8192}, SEED, END_HEAD)


def released_config(vocab_size: int, size: str) -> dict[str, Any]:
    """config.json of a released size, for a text vocabulary of ``vocab_size``."""
    config = talker_config(vocab_size, RELEASED_CODEBOOK)
    talker = config["talker_config"]
    hidden, inner = SIZES[size]
    talker.update(_HEADS, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=28)
    talker.update(text_hidden_size=2048, max_position_embeddings=32768)
    hidden, inner = SIZES["0.6B"]
    predictor = talker["code_predictor_config"]
    predictor.update(_HEADS, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=5)
    predictor.update(max_position_embeddings=65536)
    return {**config, "tts_model_size": size.lower().replace(".", "b").rstrip("b")}


def released_codec() -> dict[str, Any]:
    """speech_tokenizer/config.json of the released codec's decoder."""
    config = codec_config_json()
    config["decoder_config"].update(_CODEC)
    return config


def with_speaker_encoder(config: dict[str, Any]) -> dict[str, Any]:
    """config.json of the Base checkpoint of the same size; what ``speaker_encoder_config`` leaves out is released."""
    width = config["talker_config"]["hidden_size"]
    return {**without_speakers(config), "speaker_encoder_config": {"enc_dim": width, "sample_rate": 24000}}


def with_codec_encoder(config: dict[str, Any]) -> dict[str, Any]:
    """speech_tokenizer/config.json with the released codec's encoder."""
    return {**config, "encoder_valid_num_quantizers": 16, "encoder_config": {**ENCODER, **_ENCODER}}


if __name__ == "__main__":
    sized = [argument for argument in sys.argv[1:] if argument != "--base"]
    build(Path(sized[0]), sized[1] if len(sized) > 1 else "0.6B", "--base" in sys.argv)
