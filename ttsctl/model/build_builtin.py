"""Build the checkpoint ``builtin``: ``python -m ttsctl.model.build_builtin FOLDER`` gives the same bytes anywhere.

The network is the released one at a small size with random weights. Every weight is drawn from SHAKE-128 of the
tensor's name, so no library's random numbers take part, and rounded to bfloat16, as released weights are.

A random talker would never end its speech, so one channel of its residual stream is kept for that: only the text
embedding of tts_pad writes to it, no layer touches it, and only the head's row of the end token reads it. While text
is left the end token has no chance; once the text is used up it competes with the others and soon wins.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from ttsctl.contract.files import write_json, write_text, written_whole
from ttsctl.model.blank import blank
from ttsctl.model.codec import SpeechTokenizer
from ttsctl.model.sizes import CodecSizes, TalkerSizes
from ttsctl.model.talker import Codegen
from ttsctl.model.text import QWEN2_SPLIT

# Chosen among small integers so that every draw on the base texts has a clear winner (tests hold the gaps).
SEED = 21
CODEBOOK = 128
HIDDEN = 128
TEXT_MERGES = 1100
END_CHANNEL = 0
END_PAD = 8.0
END_HEAD = 5.75
LOGIT_SCALE = 5.0
OUTPUT_GAIN = 0.05
RESIDUAL_GAIN = 0.5
# Ids with a meaning lie at the same distance above the codebook as in the released vocabulary of 2048 + 1024.
RELEASED_CODEBOOK = 2048
# Single ids, as in the released vocabulary: the prompt counts on it to tell the role from the text.
ROLE_WORDS = ["assistant", "user"]
ROLE_REPEATS = 200
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")
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


def build(folder: Path) -> None:
    """Write the whole checkpoint into ``folder``: about 4 MB in the official layout."""
    vocab_size = write_tokenizer(folder)
    config, codec_config = talker_config(vocab_size), codec_config_json()
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", GENERATION)
    write_json(folder / "speech_tokenizer" / "config.json", codec_config)
    sizes, codec_sizes = TalkerSizes.read(config, "config.json"), CodecSizes.read(codec_config, "config.json")
    codegen, codec = blank(lambda: Codegen(sizes)), blank(lambda: SpeechTokenizer(codec_sizes))
    write_tensors(folder / "model.safetensors", codegen_weights(codegen, sizes))
    write_tensors(folder / "speech_tokenizer" / "model.safetensors", codec_weights(codec))


def write_tokenizer(folder: Path) -> int:
    """Train the byte-level BPE on corpus.txt and write it as vocab.json and merges.txt -> vocabulary size."""
    corpus = (Path(__file__).parent / "builtin" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(_regex(QWEN2_SPLIT), behavior="isolated", invert=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + TEXT_MERGES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*corpus, *ROLE_WORDS * ROLE_REPEATS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    write_text(folder / "vocab.json", json.dumps(model["vocab"], ensure_ascii=False))
    write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    first = len(model["vocab"])
    added = {
        str(first + i): {
            "content": name,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for i, name in enumerate(SPECIALS)
    }
    settings = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "errors": "replace"}
    write_json(folder / "tokenizer_config.json", settings)
    return first + len(SPECIALS)


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)


def talker_config(vocab_size: int) -> dict[str, Any]:
    """config.json in the released form, at the built-in's sizes."""
    shift = CODEBOOK - RELEASED_CODEBOOK
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
            "vocab_size": CODEBOOK + 1024,
            "text_vocab_size": vocab_size,
            "text_hidden_size": HIDDEN,
            "spk_id": {name: number + shift for name, number in SPEAKERS.items()},
            "spk_is_dialect": {name: DIALECTS.get(name, False) for name in SPEAKERS},
            "codec_language_id": {name: number + shift for name, number in LANGUAGES.items()},
            "code_predictor_config": {
                **transformer,
                "num_hidden_layers": 2,
                "max_position_embeddings": 4096,
                "vocab_size": CODEBOOK,
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


def uniform(name: str, shape: tuple[int, ...], deviation: float) -> Tensor:
    """Uniform float32 of the given standard deviation, from SHAKE-128 of seed and name."""
    count = math.prod(shape)
    raw = bytearray(hashlib.shake_128(f"{SEED}/{name}".encode()).digest(2 * count))
    unit = (torch.frombuffer(raw, dtype=torch.int16).to(torch.float32) + 0.5) / 32768.0
    return (unit * (math.sqrt(3.0) * deviation)).reshape(shape)


def codegen_weights(module: Codegen, sizes: TalkerSizes) -> dict[str, Tensor]:
    """Weights of talker and predictor, with the end channel wired."""
    weights = {name: _codegen_weight(name, tuple(t.shape)) for name, t in module.state_dict().items()}
    _wire_end(weights, sizes)
    return weights


def _codegen_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    if "norm" in name:
        return torch.ones(shape)
    if name.endswith("bias"):
        return torch.zeros(shape)
    if "embedding" in name:
        return uniform(name, shape, 1.0)
    # The final norm makes hidden states of unit size, so a head of this deviation gives logits of LOGIT_SCALE.
    scale = LOGIT_SCALE if "head" in name else 1.0
    return uniform(name, shape, scale / math.sqrt(shape[-1]))


def _wire_end(weights: dict[str, Tensor], sizes: TalkerSizes) -> None:
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
    head[end, END_CHANNEL] = END_HEAD


def codec_weights(module: SpeechTokenizer) -> dict[str, Tensor]:
    """Weights of the codec decoder, loud enough and free of an offset."""
    weights = {name: _codec_weight(name, tuple(t.shape)) for name, t in module.state_dict().items()}
    last = max(int(name.split(".")[2]) for name in weights if name.startswith("decoder.decoder."))
    final = weights[f"decoder.decoder.{last}.conv.weight"]
    # Taps that sum to zero in each channel let no constant through, so the audio has no offset.
    final -= final.mean(-1, keepdim=True)
    final *= OUTPUT_GAIN
    return weights


def _codec_weight(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith(("norm.weight", "layernorm.weight", "cluster_usage")):
        return torch.ones(shape)
    if name.endswith(("bias", "alpha", "beta")):
        return torch.zeros(shape)
    if name.endswith(("scale", "gamma")):
        return torch.full(shape, 0.5)
    if name.endswith("embedding_sum"):
        return uniform(name, shape, 1.0)
    fan_in = math.prod(shape[1:])
    if (".upsample." in name and ".0.conv" in name) or ".block.1.conv" in name:
        # A transposed convolution: each output sample sees every input channel through kernel / stride taps.
        fan_in = shape[0] * (1 if ".upsample." in name else 2)
    # Residual units write softly, or the signal would grow from block to block and drown in its own harmonics.
    gain = RESIDUAL_GAIN if name.endswith(("conv1.conv.weight", "conv2.conv.weight")) else 1.0
    return uniform(name, shape, gain / math.sqrt(fan_in))


def write_tensors(path: Path, weights: dict[str, Tensor]) -> None:
    rounded = {name: weight.to(torch.bfloat16).contiguous() for name, weight in weights.items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(save(rounded, metadata={"format": "pt"}))


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "builtin")
