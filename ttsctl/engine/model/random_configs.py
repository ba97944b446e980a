"""config.json and its companions of checkpoints with random weights, in the released form at the built-in's sizes."""

from __future__ import annotations

from typing import Any

from ttsctl.engine.model.random_tokenizer import SPECIALS

CODEBOOK = 128
HIDDEN = 128
# The ids of speakers, languages and marks lie as far above the codebook as in the released vocabulary (2048 + 1024).
RELEASED_CODEBOOK = 2048
SPEAKERS = {
    "serena": 3066,
    "vivian": 3065,
    "uncle_fu": 3010,
    "ryan": 3061,
    "aiden": 2861,
    "ono_anna": 2873,
    "sohee": 2864,
    "eric": 2875,
    "dylan": 2878,
}
DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
LANGUAGES = {
    "chinese": 2055,
    "english": 2050,
    "german": 2053,
    "italian": 2070,
    "portuguese": 2071,
    "spanish": 2054,
    "japanese": 2058,
    "korean": 2064,
    "french": 2061,
    "russian": 2069,
    "beijing_dialect": 2074,
    "sichuan_dialect": 2062,
}
CODEC_IDS = {
    "codec_bos_id": 2149,
    "codec_eos_token_id": 2150,
    "codec_pad_id": 2148,
    "codec_think_id": 2154,
    "codec_nothink_id": 2155,
    "codec_think_bos_id": 2156,
    "codec_think_eos_id": 2157,
}
GENERATION = {
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 50,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_p": 1.0,
    "subtalker_top_k": 50,
    "max_new_tokens": 512,
}


def talker_config(vocab_size: int, codebook: int = CODEBOOK) -> dict[str, Any]:
    """config.json in the released form, at the built-in's sizes; its special ids lie above ``codebook`` ids."""
    shift = codebook - RELEASED_CODEBOOK
    transformer = {
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000,
        "attention_bias": False,
        "num_code_groups": 16,
    }
    first = vocab_size - len(SPECIALS)
    return {
        "architectures": ["Qwen3TTSForConditionalGeneration"],
        "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz",
        "tts_model_size": "builtin",
        "tts_model_type": "custom_voice",
        "im_start_token_id": first + 1,
        "im_end_token_id": first + 2,
        "tts_pad_token_id": first + 3,
        "tts_bos_token_id": first + 4,
        "tts_eos_token_id": first + 5,
        "talker_config": {
            **transformer,
            **{name: number + shift for name, number in CODEC_IDS.items()},
            "num_hidden_layers": 3,
            "max_position_embeddings": 4096,
            "vocab_size": codebook + 1024,
            "text_vocab_size": vocab_size,
            "text_hidden_size": HIDDEN,
            "spk_id": {name: number + shift for name, number in SPEAKERS.items()},
            "spk_is_dialect": {name: DIALECTS.get(name, False) for name in SPEAKERS},
            "codec_language_id": {name: number + shift for name, number in LANGUAGES.items()},
            "code_predictor_config": {
                **transformer,
                "num_hidden_layers": 2,
                "max_position_embeddings": 4096,
                "vocab_size": codebook,
            },
        },
    }


def codec_config_json() -> dict[str, Any]:
    """speech_tokenizer/config.json in the released form, at the built-in's sizes."""
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"],
        "model_type": "qwen3_tts_tokenizer_12hz",
        "input_sample_rate": 24000,
        "output_sample_rate": 24000,
        "decode_upsample_rate": 1920,
        "encode_downsample_rate": 1920,
        "decoder_config": {
            "codebook_size": CODEBOOK,
            "codebook_dim": 64,
            "latent_dim": 64,
            "decoder_dim": 96,
            "hidden_act": "silu",
            "hidden_size": 64,
            "intermediate_size": 128,
            "head_dim": 16,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "num_hidden_layers": 2,
            "num_quantizers": 16,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000,
            "sliding_window": 24,
            "max_position_embeddings": 8000,
            "attention_bias": False,
            "upsample_rates": [8, 5, 4, 3],
            "upsampling_ratios": [2, 2],
        },
    }
