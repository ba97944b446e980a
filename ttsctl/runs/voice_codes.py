"""The codes of a voice's reference out of its file."""

from __future__ import annotations

from pathlib import Path

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError


def is_voice_file(path: Path) -> bool:
    """Whether it is a voice file, which ``ttsctl encode`` makes; a file of codes may have the same suffix."""
    if path.suffix != ".safetensors":
        return False
    # As below.
    from ttsctl.engine.voice.prompt_file import holds_voice

    return holds_voice(path)


def codes_of_voice(path: Path) -> CodeArray:
    """The codes (R, Q) int64 of a voice file. InputError if it cannot be read, or holds an x-vector alone."""
    # Summaries' schemas are read without any of the engine.
    from ttsctl.engine.voice.prompt_file import read_voice

    codes = read_voice(path).codes
    if codes is None:
        raise InputError(f"voice file {path}: an x-vector alone, without codes", "name one made with --ref-text")
    return codes
