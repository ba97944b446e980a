"""The sizes of the encoders, read from a checkpoint's files and checked as the others are."""

from __future__ import annotations

from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.engine.model.config_files import read_object, read_sizes
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, SpeakerSizes

OTHER = "use a Base checkpoint"


def has_speaker_encoder(path: Path) -> bool:
    """Whether config.json describes a speaker encoder. InputError as of ``read_object``."""
    return bool(read_object(path).get("speaker_encoder_config"))


def read_speaker_sizes(path: Path) -> SpeakerSizes:
    """From config.json. InputError if the checkpoint has no speaker encoder, or one that this network is not."""
    config = read_object(path)
    if not config.get("speaker_encoder_config"):
        raise InputError(f"{path}: this checkpoint has no speaker encoder, which cloning a voice needs", OTHER)
    return read_sizes(SpeakerSizes.read, path, config)


def read_codec_encoder_sizes(path: Path) -> CodecEncoderSizes:
    """From speech_tokenizer/config.json; errors as for ``read_speaker_sizes``."""
    config = read_object(path)
    if not config.get("encoder_config"):
        raise InputError(f"{path}: this checkpoint has no codec encoder, which encoding audio needs", OTHER)
    return read_sizes(CodecEncoderSizes.read, path, config)
