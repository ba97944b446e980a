"""Reads the JSON files of a checkpoint and checks the types and bounds that network and samplers rely on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ttsctl.core.config import SamplingConfig
from ttsctl.core.errors import InputError
from ttsctl.core.files import read_json
from ttsctl.core.validation import input_error
from ttsctl.engine.model.encoder_sizes import CodecEncoderSizes, SpeakerSizes
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes

Sizes = TypeVar("Sizes", TalkerSizes, CodecSizes, SpeakerSizes, CodecEncoderSizes)

DAMAGED = "copy or download the checkpoint again"
# Key of generation_config.json -> the field of SamplingConfig that it is the default of, and whose bounds it must keep.
GENERATION_KEYS = MappingProxyType(
    {
        "max_new_tokens": "max_new_tokens",
        "temperature": "temperature",
        "top_k": "top_k",
        "top_p": "top_p",
        "repetition_penalty": "repetition_penalty",
        "subtalker_temperature": "predictor_temperature",
        "subtalker_top_k": "predictor_top_k",
        "subtalker_top_p": "predictor_top_p",
        "subtalker_repetition_penalty": "predictor_repetition_penalty",
    }
)


# Values are validated as JSON: there strict validation accepts an object for a dataclass, and refuses "4" for 4.


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; InputError if the file is missing, malformed or holds anything else."""
    value = read_json(path, "checkpoint file")
    if not isinstance(value, dict):
        raise InputError(f"checkpoint file {path}: expected a JSON object", DAMAGED)
    return value


def read_sizes(read: Callable[[dict[str, Any], str], Sizes], path: Path, config: dict[str, Any]) -> Sizes:
    """``read(config, where)``. InputError names the first value that is not of the type that the dataclass declares."""
    try:
        sizes = read(config, str(path))
        TypeAdapter(type(sizes)).validate_json(json.dumps(asdict(sizes)), strict=True)
    except ValidationError as error:
        raise input_error(str(path), error, fix=DAMAGED) from error
    except (
        AttributeError,
        OverflowError,
        TypeError,
        ValueError,
    ) as error:  # a list or a word where a table or a number belongs
        raise InputError(f"{path}: not laid out like a Qwen3-TTS-12Hz config ({error})", DAMAGED) from error
    return sizes


def read_generation(path: Path) -> dict[str, Any]:
    """The settings of ``path`` that the samplers use, without nulls; {} if there is no such file.

    InputError for a value of a wrong type or out of bounds.
    """
    found = read_object(path) if path.exists() else {}
    known = {key: found[key] for key in GENERATION_KEYS if found.get(key) is not None}
    for key, value in known.items():
        try:
            TypeAdapter(SamplingConfig).validate_json(json.dumps({GENERATION_KEYS[key]: value}))
        except ValidationError as error:
            raise input_error(f"{path}: {key}", error, fix=DAMAGED, depth=0) from error
    return known
