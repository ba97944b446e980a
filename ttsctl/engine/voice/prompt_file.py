"""A voice's prompt as a file, so that two machines speak from the very same one."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ttsctl.core.codes import FRAMES_PER_SECOND
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular, written_whole
from ttsctl.core.request import Voice
from ttsctl.core.validation import input_error
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.voice.reference import MAX_SECONDS

SUFFIX = ".safetensors"
REMAKE = "make it again with 'ttsctl encode REF --out FILE'"
MAX_HEADER_BYTES = 1 << 20
MAX_FRAMES = math.ceil(MAX_SECONDS * FRAMES_PER_SECOND)
DTYPES: Mapping[str, str] = MappingProxyType({"codes": "I64", "x_vector": "F32"})
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class VoiceHeader(BaseModel):
    """What a voice file says of itself, in the metadata of its header. ``hashes`` are checked when it is read."""

    model_config = ConfigDict(extra="ignore", strict=True)

    format: Literal["ttsctl-voice-1"] = "ttsctl-voice-1"
    ref_text: str | None
    reference_sha256: Hash
    codes_sha256: Hash | None
    x_vector_sha256: Hash
    provenance: dict[str, Any]


def check_voice_path(path: Path) -> None:
    """InputError for a name that is not ``*.safetensors``, and for a file that is there and is no voice."""
    if path.suffix != SUFFIX:
        raise InputError(f"voice file {path}: expected a name ending in {SUFFIX}", f"call it {path.stem}{SUFFIX}")
    if not os.path.lexists(path):
        return
    try:
        read_voice(path)
    except InputError as error:
        raise InputError(f"voice file {path}: there is a file that is no voice", "choose another name") from error


def write_voice(path: Path, prompt: VoicePrompt, provenance: dict[str, Any]) -> None:
    """Write a prompt with its hashes and how it was made, over an earlier voice; errors as of ``check_voice_path``."""
    check_voice_path(path)
    header = VoiceHeader(
        ref_text=prompt.ref_text,
        reference_sha256=prompt.reference_sha256,
        codes_sha256=prompt.hashes.codes,
        x_vector_sha256=prompt.hashes.x_vector,
        provenance=provenance,
    )
    tensors: dict[str, np.ndarray[Any, Any]] = {"x_vector": np.ascontiguousarray(prompt.x_vector, np.float32)}
    if prompt.codes is not None:
        tensors["codes"] = np.ascontiguousarray(prompt.codes, np.int64)
    with written_whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata={"voice": header.model_dump_json()}))


def read_voice(path: Path) -> VoicePrompt:
    """The prompt of a voice file. InputError if it is no such file, or if its hashes do not fit its content."""
    header, tensors = _read(path)
    vector, codes = tensors.get("x_vector"), tensors.get("codes")
    if vector is None or vector.ndim != 1 or not np.isfinite(vector).all():
        raise InputError(f"voice file {path}: expected an x_vector (D,) of finite float32", REMAKE)
    if codes is not None and (codes.ndim != 2 or not codes.size or len(codes) > MAX_FRAMES):
        raise InputError(f"voice file {path}: expected codes (R, Q) int64, got {codes.shape}", REMAKE)
    prompt = VoicePrompt(codes, vector, header.ref_text, header.reference_sha256)
    if (prompt.hashes.codes, prompt.hashes.x_vector) != (header.codes_sha256, header.x_vector_sha256):
        raise InputError(f"voice file {path}: its content does not have the sha256 that it was written with", REMAKE)
    return prompt


def read_voice_of(voice: Voice) -> VoicePrompt:
    """The prompt that a voice with a file speaks from: by its x-vector alone, or in context.

    InputError as of ``read_voice``, and for a file without codes of a voice that is to speak in context.
    """
    assert voice.voice_file is not None, "only a voice with a file is read from one"
    prompt = read_voice(Path(voice.voice_file))
    if voice.x_vector_only:
        return VoicePrompt(None, prompt.x_vector, None, prompt.reference_sha256)
    if prompt.codes is None or not (prompt.ref_text or "").strip():
        what = f"voice file {voice.voice_file}: it holds an x-vector alone, without the reference's codes and text"
        raise InputError(what, "say x_vector_only (--x-vector-only), or encode the reference again with --ref-text")
    return prompt


def holds_voice(path: Path) -> bool:
    """Whether a file is safetensors whose header names a voice; other files of codes have the same suffix."""
    with open_regular(path, "voice file", MAX_BYTES["weights"]) as file:
        length = int.from_bytes(file.read(8), "little")
        return length <= MAX_HEADER_BYTES and b'"voice"' in file.read(length)


def _check_dtype(path: Path, name: str, dtype: str) -> None:
    # numpy lacks some of the types that such a file can have, and safetensors then raises what it likes.
    if dtype != DTYPES[name]:
        raise InputError(f"voice file {path}: {name}: expected {DTYPES[name]}, got {dtype}", REMAKE)


def _read(path: Path) -> tuple[VoiceHeader, dict[str, np.ndarray[Any, Any]]]:
    with open_regular(path, "voice file", MAX_BYTES["json"]) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise InputError(f"voice file {path}: not a safetensors file of ttsctl", REMAKE)
    try:
        with safe_open(path, framework="np") as opened:
            found = (opened.metadata() or {}).get("voice")
            names = [name for name in DTYPES if name in opened.keys()]  # noqa: SIM118  not a mapping
            for name in names:
                _check_dtype(path, name, str(opened.get_slice(name).get_dtype()))
            tensors = {name: opened.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise InputError(f"voice file {path}: not a readable safetensors file ({error})", REMAKE) from error
    if found is None:
        raise InputError(f"voice file {path}: no voice in its metadata", REMAKE)
    try:
        return VoiceHeader.model_validate(json.loads(found)), tensors
    except ValidationError as error:
        raise input_error(f"voice file {path}", error, fix=REMAKE) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"voice file {path}: its metadata is not JSON", REMAKE) from error
