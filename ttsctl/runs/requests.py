"""The requests that a command makes: the texts that were asked for, by the voice that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.runs.shipped import texts_file, voices_file
from ttsctl.runs.texts import MAX_TEXT, choose, load_texts, load_voices

# (text id, text); a text that was typed has no id.
NamedText = tuple[str | None, str]


@dataclass(frozen=True)
class VoiceChoice:
    """The voice that was asked for: a ``speaker`` by name, or an entry of the file ``voices``, by default its first.

    ``language`` and ``instruct`` go over those of the entry. ``voices`` None: see ``shipped.voices_file``.
    """

    speaker: str | None = None
    language: str | None = None
    instruct: str | None = None
    voice_id: str | None = None
    voices: Path | None = None
    text_mode: TextMode = "streaming"


def chosen_texts(given: list[str], ids: list[str], file: Path | None) -> list[NamedText]:
    """The given texts; without one those of ``file``, all or by id. ``file`` None: see ``shipped.texts_file``.

    InputError for both texts and ids, and for a file that is missing or malformed.
    """
    if given and ids:
        raise InputError("--text and --text-id: expected one of them, got both", "leave one out")
    if given:
        return [(None, text) for text in given]
    path = texts_file(file)
    return [(item.id, item.text) for item in choose(load_texts(path), ids or None, path)]


def make_requests(texts: list[NamedText], choice: VoiceChoice) -> list[Request]:
    """One request for each text, all by one voice. InputError for a blank text or name, and for an unknown voice id."""
    voice = _voice(choice)
    for option, name in (("--speaker", choice.speaker), ("--language", choice.language)):
        if name is not None and not name.strip():
            raise InputError(f"{option}: expected a name, got white space", "leave it out for the default")
    for text_id, text in texts:
        _check_text(f"text {text_id}" if text_id else "text", text)
    return [Request(text, voice, text_id, choice.text_mode) for text_id, text in texts]


def _voice(choice: VoiceChoice) -> Voice:
    if choice.speaker is None:
        file = voices_file(choice.voices)
        voices = choose(load_voices(file), [choice.voice_id] if choice.voice_id else None, file)
        if not voices:
            raise InputError(f"voices file {file}: expected at least one voice, got none", "add one, or use --speaker")
        voice = voices[0]
    elif choice.voice_id is not None:
        raise InputError("--speaker and --voice-id: expected one of them, got both", "leave one out")
    else:
        voice = Voice(choice.speaker.lower(), choice.speaker)
    if choice.language is not None:
        voice = replace(voice, language=choice.language)
    if choice.instruct is not None:
        voice = replace(voice, instruct=choice.instruct)
    return voice


def _check_text(name: str, text: str) -> None:
    """InputError for a text that is blank, too long, or holds bytes that are not UTF-8."""
    if len(text) > MAX_TEXT:
        raise InputError(f"{name}: expected at most {MAX_TEXT:,} characters, got {len(text):,}", "give it in parts")
    if any("\ud800" <= character <= "\udfff" for character in text):  # how Python hands on bytes it cannot read
        raise InputError(f"{name}: not UTF-8 text", "give it as UTF-8")
    if not text.strip():
        raise InputError(f"{name}: expected at least one character that is not white space", "give a text")
