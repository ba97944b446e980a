"""The references of cloned voices, read once when the voice is chosen: a bad one is told before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, file_sha256, open_regular
from ttsctl.core.request import Voice

# The id of every voice that is given on the command line by its reference or its file: dumps of two of them answer
# one request, and what differs between the two is their prompts.
CLONED = "cloned"


def with_references(voices: Iterable[Voice]) -> list[Voice]:
    """The voices, each cloned one with the ``ref_sha256`` of its file, which is read whole and checked.

    InputError for a voice whose fields do not go together, and for a file as of ``read_reference`` and ``read_voice``.
    """
    known: dict[str, str] = {}
    found = []
    for voice in voices:
        check_reference_fields(voice)
        file = voice.ref_audio or voice.voice_file
        if file is None:
            found.append(voice)
            continue
        if voice.voice_file is not None:
            known[file] = _prompt_sha256(voice, file)
        elif file not in known:
            known[file] = _audio_sha256(file)
        found.append(replace(voice, ref_sha256=known[file]))
    return found


def check_reference_fields(voice: Voice) -> None:
    """InputError for a reference beside a saved voice, for a text or mode without either, and without a needed text."""
    name = f"voice {voice.id!r}"
    if voice.ref_audio is not None and voice.voice_file is not None:
        what = f"{name}: expected a reference (ref_audio) or a saved voice (voice_file), got both"
        raise InputError(what, "leave one out")
    if voice.ref_text is not None and voice.ref_audio is None:
        why = "a saved voice has its own" if voice.voice_file is not None else "there is no reference"
        raise InputError(f"{name}: ref_text is what ref_audio says; {why}", "leave it out, or give ref_audio")
    if voice.x_vector_only and not voice.is_cloned:
        raise InputError(f"{name}: x_vector_only, but no reference", "give ref_audio or voice_file")
    if voice.ref_audio is not None and not voice.x_vector_only and not (voice.ref_text or "").strip():
        what = f"{name}: no text of the reference, which speaking in context needs"
        raise InputError(what, "give ref_text (--ref-text), what it says, or x_vector_only (--x-vector-only)")


def _audio_sha256(file: str) -> str:
    # Imported here because ``schema`` loads this module and no engine.
    from ttsctl.engine.voice.reference import read_reference

    return read_reference(Path(file)).sha256


def _prompt_sha256(voice: Voice, file: str) -> str:
    # Imported here because ``schema`` loads this module and no engine.
    from ttsctl.engine.voice.prompt_file import read_voice_of

    read_voice_of(voice)
    with open_regular(Path(file), "voice file", MAX_BYTES["json"]) as opened:
        return file_sha256(opened)
