"""Writes a whole checkpoint with random weights in the official layout; the same bytes on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ttsctl.core.files import write_json
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.codec_encoder import CodecEncoderNetwork
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, SpeakerSizes
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.random_encoder_weights import codec_encoder_weights, speaker_weights
from ttsctl.engine.model.random_weights import codec_weights, codegen_weights, write_tensors
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes
from ttsctl.engine.model.speaker_encoder import SpeakerNetwork
from ttsctl.engine.model.talker import Codegen

Table = dict[str, Any]


def write_checkpoint(
    folder: Path, config: Table, codec_config: Table, generation: Table, seed: int, end_head: float
) -> None:
    """Write the three config files and the weights of the networks that they describe, encoders included.

    ``end_head``: the weight of the end channel in the end token's logit (see ``random_weights``).
    """
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", generation)
    write_json(folder / "speech_tokenizer" / "config.json", codec_config)
    write_tensors(folder / "model.safetensors", _own_weights(config, seed, end_head))
    write_tensors(folder / "speech_tokenizer" / "model.safetensors", _codec_weights(codec_config, seed))


def _own_weights(config: Table, seed: int, end_head: float) -> dict[str, Tensor]:
    sizes = TalkerSizes.read(config, "config.json")
    weights = codegen_weights(build_on_meta(lambda: Codegen(sizes)), sizes, seed, end_head)
    if "speaker_encoder_config" in config:
        speaker = SpeakerSizes.read(config, "config.json")
        weights |= speaker_weights(build_on_meta(lambda: SpeakerNetwork(speaker)), seed)
    return weights


def _codec_weights(config: Table, seed: int) -> dict[str, Tensor]:
    sizes = CodecSizes.read(config, "speech_tokenizer/config.json")
    weights = codec_weights(build_on_meta(lambda: SpeechTokenizer(sizes)), seed)
    if "encoder_config" in config:
        encoder = CodecEncoderSizes.read(config, "speech_tokenizer/config.json")
        weights |= codec_encoder_weights(build_on_meta(lambda: CodecEncoderNetwork(encoder)), seed)
    return weights
