"""config.json and speech_tokenizer/config.json of ``builtin-base``: smaller than the built-in, with both encoders."""

from __future__ import annotations

from typing import Any

from ttsctl.engine.model.random_configs import codec_config_json, talker_config

BASE_CODEBOOK = 64
BASE_HIDDEN = 64
_STACK = {"hidden_size": BASE_HIDDEN, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
_DECODER = {
    "codebook_size": BASE_CODEBOOK,
    "codebook_dim": 32,
    "latent_dim": 48,
    "decoder_dim": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "sliding_window": 12,
}
_SPEAKER = {
    "enc_dim": BASE_HIDDEN,
    "sample_rate": 24000,
    "enc_channels": [32, 32, 32, 32, 96],
    "enc_kernel_sizes": [5, 3, 3, 3, 1],
    "enc_dilations": [1, 2, 3, 4, 1],
    "enc_attention_channels": 16,
    "enc_res2net_scale": 4,
    "enc_se_channels": 16,
}
ENCODER: dict[str, Any] = {
    "model_type": "mimi",
    "audio_channels": 1,
    "codebook_dim": 16,
    "codebook_size": BASE_CODEBOOK,
    "compress": 2,
    "hidden_act": "gelu",
    "hidden_size": 32,
    "intermediate_size": 64,
    "head_dim": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "num_filters": 4,
    # More layers than count, as in the released encoder.
    "num_quantizers": 18,
    "num_residual_layers": 1,
    "num_semantic_quantizers": 1,
    "kernel_size": 7,
    "last_kernel_size": 3,
    "residual_kernel_size": 3,
    "norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 8000,
    "sliding_window": 250,
    "pad_mode": "constant",
    "upsampling_ratios": [8, 6, 5, 4],
    "use_causal_conv": True,
    "use_conv_shortcut": False,
    "attention_bias": False,
}


def base_config(vocab_size: int) -> dict[str, Any]:
    """config.json: as the built-in's, but smaller, and a Base checkpoint."""
    config = without_speakers(talker_config(vocab_size, BASE_CODEBOOK))
    config["talker_config"].update(_STACK, text_hidden_size=BASE_HIDDEN)
    config["talker_config"]["code_predictor_config"].update(_STACK)
    return {**config, "speaker_encoder_config": _SPEAKER}


def without_speakers(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a Base checkpoint, which clones every voice: no speakers, and no dialects, which are theirs."""
    talker = config["talker_config"]
    languages = {name: i for name, i in talker["codec_language_id"].items() if not name.endswith("_dialect")}
    talker = {**talker, "spk_id": {}, "spk_is_dialect": {}, "codec_language_id": languages}
    return {**config, "tts_model_type": "base", "talker_config": talker}


def base_codec_config() -> dict[str, Any]:
    """speech_tokenizer/config.json with an encoder."""
    config = codec_config_json()
    config["decoder_config"].update(_DECODER)
    return {**config, "encoder_valid_num_quantizers": 16, "encoder_config": ENCODER}
