"""The requests that a command makes: the texts that were asked for, by the voice that was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.runs.references import CLONED, with_references
from ttsctl.runs.shipped import texts_file, voices_file
from ttsctl.runs.texts import MAX_TEXT, choose, load_texts, load_voices

# (text id, text); a text that was typed has no id.
NamedText = tuple[str | None, str]


@dataclass(frozen=True)
class VoiceChoice:
    """The voice that was asked for: a ``speaker`` by name, one cloned from the reference ``ref_audio`` or saved in
    ``voice_file``, or an entry of the file ``voices``, by default its first.

    ``language`` and ``instruct`` go over those of the entry. ``voices`` None: see ``shipped.voices_file``.
    ``ref_text`` and ``x_vector_only``: as in ``core.request.Voice``.
    """

    speaker: str | None = None
    language: str | None = None
    instruct: str | None = None
    voice_id: str | None = None
    voices: Path | None = None
    text_mode: TextMode = "streaming"
    ref_audio: Path | None = None
    ref_text: str | None = None
    x_vector_only: bool = False
    voice_file: Path | None = None

    @property
    def given(self) -> bool:
        """Whether anything was said of the voice itself."""
        return self != VoiceChoice(voices=self.voices, text_mode=self.text_mode)


NO_CHOICE = VoiceChoice()


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
    """One request for each text, all by one voice. InputError for a blank text or name, an unknown voice id, and a bad
    reference.
    """
    voice = _voice(choice)
    for option, name in (("--speaker", choice.speaker), ("--language", choice.language)):
        if name is not None and not name.strip():
            raise InputError(f"{option}: expected a name, got white space", "leave it out for the default")
    for text_id, text in texts:
        check_text(f"text {text_id}" if text_id else "text", text)
    return [Request(text, voice, text_id, choice.text_mode) for text_id, text in texts]


def _voice(choice: VoiceChoice) -> Voice:
    voice = cloned_voice(choice) or _named(choice)
    if choice.language is not None:
        voice = replace(voice, language=choice.language)
    if choice.instruct is not None:
        voice = replace(voice, instruct=choice.instruct)
    return with_references([voice])[0]


def cloned_voice(choice: VoiceChoice) -> Voice | None:
    """The voice of a reference or a saved voice; None without either. InputError for options that do not go with it."""
    reference, saved = choice.ref_audio, choice.voice_file
    if reference is not None and saved is not None:
        raise InputError("--ref-audio and --voice: expected one of them, got both", "leave one out")
    if choice.ref_text is not None and choice.ref_text.strip():  # a blank one is told with the way out of it
        check_text("--ref-text", choice.ref_text)
    if choice.ref_text is not None and reference is None:
        fix = "leave it out: the saved voice has its text" if saved is not None else "add --ref-audio FILE"
        raise InputError("--ref-text: what a reference says, but there is no --ref-audio", fix)
    if reference is None and saved is None:
        if choice.x_vector_only and choice.voice_id is None and choice.voices is None:
            raise InputError("--x-vector-only: expected a reference, got none", "add --ref-audio FILE or --voice FILE")
        return None
    given = "--voice" if reference is None else "--ref-audio"
    for option, value in (("--speaker", choice.speaker), ("--voice-id", choice.voice_id), ("--voices", choice.voices)):
        if value is not None:
            raise InputError(f"{given} and {option}: expected one of them, got both", "leave one out")
    return Voice(
        CLONED,
        ref_audio=None if reference is None else str(reference),
        ref_text=choice.ref_text,
        x_vector_only=choice.x_vector_only,
        voice_file=None if saved is None else str(saved),
    )


def _named(choice: VoiceChoice) -> Voice:
    """The voice of a speaker, or an entry of a file of voices."""
    if choice.speaker is None:
        file = voices_file(choice.voices)
        voices = choose(load_voices(file), [choice.voice_id] if choice.voice_id else None, file)
        if not voices:
            raise InputError(f"voices file {file}: expected at least one voice, got none", "add one, or use --speaker")
        return replace(voices[0], x_vector_only=choice.x_vector_only or voices[0].x_vector_only)
    if choice.voice_id is not None:
        raise InputError("--speaker and --voice-id: expected one of them, got both", "leave one out")
    return Voice(choice.speaker.lower(), choice.speaker, x_vector_only=choice.x_vector_only)


def check_text(name: str, text: str) -> None:
    """InputError for a text that is blank, too long, or holds bytes that are not UTF-8."""
    if len(text) > MAX_TEXT:
        raise InputError(f"{name}: expected at most {MAX_TEXT:,} characters, got {len(text):,}", "give it in parts")
    if any("\ud800" <= character <= "\udfff" for character in text):  # how Python hands on bytes it cannot read
        raise InputError(f"{name}: not UTF-8 text", "give it as UTF-8")
    if not text.strip():
        raise InputError(f"{name}: expected at least one character that is not white space", "give a text")
