"""Cases: every chosen text by every chosen voice, as suites and experiments run them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.request import Request, TextMode
from ttsctl.runs.texts import choose, load_texts, load_voices


@dataclass(frozen=True)
class Case:
    """One text by one voice."""

    id: str
    request: Request


def load_cases(
    texts: Path, voices: Path, text_ids: Sequence[str] | None, voice_ids: Sequence[str] | None, text_mode: TextMode
) -> tuple[Case, ...]:
    """Every text of ``texts`` by every voice of ``voices``, all of a file or those with the given ids.

    InputError for a file that cannot be read, and for an unknown id, with the nearest known one.
    """
    chosen_voices = choose(load_voices(voices), voice_ids, voices)
    return tuple(
        Case(f"{text.id}__{voice.id}", Request(text.text, voice, text.id, text_mode))
        for text in choose(load_texts(texts), text_ids, texts)
        for voice in chosen_voices
    )
