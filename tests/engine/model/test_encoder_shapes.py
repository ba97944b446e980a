"""The encoders have the released names and shapes, and refuse configurations that they were not written for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.released import SHAPES
from ttsctl.core.errors import InputError
from ttsctl.engine.model.build_released import (
    released_codec,
    released_config,
    with_codec_encoder,
    with_speaker_encoder,
)
from ttsctl.engine.model.codec_encoder import CodecEncoderNetwork
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, SpeakerSizes
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.sizes import TalkerSizes
from ttsctl.engine.model.speaker_encoder import SpeakerNetwork

RELEASED: dict[str, dict[str, list[int]]] = json.loads((SHAPES.parent / "encoder_shapes.json").read_text())
# The released speech_tokenizer/config.json, as far as the encoder reads it.
CODEC: dict[str, Any] = {
    "encode_downsample_rate": 1920,
    "encoder_valid_num_quantizers": 16,
    "input_sample_rate": 24000,
    "encoder_config": {
        "codebook_dim": 256,
        "codebook_size": 2048,
        "compress": 2,
        "head_dim": 64,
        "hidden_act": "gelu",
        "hidden_size": 512,
        "intermediate_size": 2048,
        "kernel_size": 7,
        "last_kernel_size": 3,
        "norm_eps": 1e-5,
        "num_attention_heads": 8,
        "num_filters": 64,
        "num_hidden_layers": 8,
        "num_key_value_heads": 8,
        "num_quantizers": 32,
        "num_residual_layers": 1,
        "num_semantic_quantizers": 1,
        "pad_mode": "constant",
        "residual_kernel_size": 3,
        "rope_theta": 10000.0,
        "sliding_window": 250,
        "upsampling_ratios": [8, 6, 5, 4],
        "use_causal_conv": True,
        "use_conv_shortcut": False,
    },
}


def _shapes(module: Any) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize(("release", "width"), [("0.6B-Base", 1024), ("1.7B-Base", 2048)])
def test_speaker_encoder(release: str, width: int) -> None:
    sizes = SpeakerSizes.read({"speaker_encoder_config": {"enc_dim": width, "sample_rate": 24000}}, "config.json")
    assert _shapes(build_on_meta(lambda: SpeakerNetwork(sizes))) == RELEASED[release]


@pytest.mark.parametrize("size", ["0.6B", "1.7B"])
def test_a_random_base_checkpoint_has_the_released_encoders(size: str) -> None:
    config = with_speaker_encoder(released_config(1362, size))
    speaker, codec = SpeakerSizes.read(config, "config.json"), with_codec_encoder(released_codec())
    assert _shapes(build_on_meta(lambda: SpeakerNetwork(speaker))) == RELEASED[f"{size}-Base"]
    assert CodecEncoderSizes.read(codec, "config.json") == CodecEncoderSizes.read(CODEC, "config.json")
    talker = TalkerSizes.read(config, "config.json")
    assert (talker.model_type, talker.speakers, talker.dialects) == ("base", {}, {})
    assert talker == replace(
        TalkerSizes.read(released_config(1362, size), "config.json"),
        model_type="base",
        speakers={},
        dialects={},
        languages=talker.languages,
    )


def test_codec_encoder() -> None:
    sizes = CodecEncoderSizes.read(CODEC, "config.json")
    assert _shapes(build_on_meta(lambda: CodecEncoderNetwork(sizes))) == RELEASED["speech_tokenizer_encoder"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_act": "silu"}, "hidden_act: expected 'gelu', got 'silu'"),
        ({"use_causal_conv": False}, "use_causal_conv: expected True, got False"),
        ({"upsampling_ratios": [8, 6, 5, 5]}, "rates multiply to 2400"),
        ({"upsampling_ratios": [10**9]}, "upsampling_ratios: expected"),
        ({"num_quantizers": 8}, "expected 2 to the 8 layers, got 16"),
        ({"num_filters": None}, "'num_filters' is missing"),
    ],
)
def test_another_codec_encoder_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        CodecEncoderSizes.read({**CODEC, "encoder_config": {**CODEC["encoder_config"], **change}}, "config.json")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"enc_channels": [512, 512, 512, 256, 1536]}, "expected inner channels of 512"),
        ({"enc_channels": [512, 512, 1536]}, "of 3, 5 and 5 blocks"),
        ({"enc_res2net_scale": 7}, "a multiple of the scale 7"),
        ({"enc_dim": None}, "'enc_dim' is missing"),
    ],
)
def test_another_speaker_encoder_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        SpeakerSizes.read({"speaker_encoder_config": {"enc_dim": 1024, **change}}, "config.json")
    assert says in str(caught.value)
