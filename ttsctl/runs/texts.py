"""Texts and voices from their JSON files, validated, and the cases that cross them: every text by every voice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from annotated_types import MaxLen
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.files import read_json
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.core.validation import input_error
from ttsctl.runs.references import with_references

# Ids become parts of file names and, joined by "__", ids of cases.
_ID = re.compile(r"[A-Za-z0-9](_?[A-Za-z0-9.-])*")

# Texts or voices of a file, and texts times voices. A run of one takes a second or more.
MAX_ENTRIES = 10_000
MAX_CASES = 10_000
MAX_WARMUP = 1000  # runs before the first counted one
MAX_TIMEOUT_S = 604_800.0  # a week; the system's timers overflow beyond some centuries
MAX_TEXT = 100_000  # characters; an hour and a half of speech


def _checked_id(value: str) -> str:
    if len(value) > 60 or not _ID.fullmatch(value):
        raise ValueError("expected at most 60 of A-Z a-z 0-9 . - and single _, from a letter or digit on")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("expected at least one character that is not white space")
    return value


Id = Annotated[str, AfterValidator(_checked_id)]
Words = Annotated[str, MaxLen(MAX_TEXT), AfterValidator(_not_blank)]


@dataclass(frozen=True)
class Text:
    """One text to speak, as it stands in the file."""

    id: str
    text: str


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_Identified)


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _TextEntry(_Closed):
    id: Id
    text: Words


class _VoiceEntry(_Closed):
    id: Id
    speaker: Words | None = None
    language: Words = "Auto"
    instruct: Words | None = None
    ref_audio: Words | None = None
    ref_text: Words | None = None
    x_vector_only: bool = False
    voice_file: Words | None = None


class _TextsFile(_Closed):
    schema_version: Annotated[str, Field(pattern=r"^1\.")]
    texts: Annotated[list[_TextEntry], MaxLen(MAX_ENTRIES)]


class _VoicesFile(_Closed):
    schema_version: Annotated[str, Field(pattern=r"^1\.")]
    voices: Annotated[list[_VoiceEntry], MaxLen(MAX_ENTRIES)]


def load_texts(path: Path) -> list[Text]:
    """The texts of a file such as ``manifests/texts_base.json``, in its order.

    InputError names the file and the entry: malformed JSON, an unknown key, an empty text, an id used twice.
    """
    entries = _read(path, "texts file", _TextsFile).texts
    return _distinct([Text(e.id, e.text) for e in entries], path, "texts")


def load_voices(path: Path) -> list[Voice]:
    """The voices of a file such as ``manifests/voices_base.json``; errors as for ``load_texts``.

    The paths of references are relative to the file. Nobody opens them here: see ``references.with_references``.
    """
    entries = _read(path, "voices file", _VoicesFile).voices
    return _distinct([_voice(entry, path.parent) for entry in entries], path, "voices")


def _voice(entry: _VoiceEntry, folder: Path) -> Voice:
    fields = entry.model_dump()
    paths = {name: str(folder / fields[name]) for name in ("ref_audio", "voice_file") if fields[name] is not None}
    return Voice(**{**fields, **paths})


def choose(items: Sequence[Item], ids: Sequence[str] | None, path: Path) -> list[Item]:
    """The items with these ids, in the order of ``ids``; None takes all. InputError for an unknown or repeated id."""
    if ids is None:
        return list(items)
    by_id = {item.id: item for item in items}
    seen: set[str] = set()
    for wanted in ids:
        if wanted not in by_id:
            raise InputError(f"{path}: no entry has the id {wanted!r}", nearest(wanted, list(by_id)))
        if wanted in seen:
            raise InputError(f"id {wanted!r} is asked for twice", "name each id once")
        seen.add(wanted)
    return [by_id[wanted] for wanted in ids]


File = TypeVar("File", bound=BaseModel)


def _read(path: Path, what: str, model: type[File]) -> File:
    value = read_json(path, what)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        note = _entry_id(value, tuple(error.errors(include_url=False)[0]["loc"]))
        raise input_error(f"{what} {path}", error, fix="correct the entry", note=note) from error


def _entry_id(value: object, location: tuple[int | str, ...]) -> str:
    """`` (id 'long_01')`` for an error inside an entry that has an id."""
    if len(location) < 2 or not isinstance(value, dict) or not isinstance(location[1], int):
        return ""
    entry = value[location[0]][location[1]]
    return f" (id {entry['id']!r})" if isinstance(entry, dict) and "id" in entry else ""


def _distinct(items: list[Item], path: Path, table: str) -> list[Item]:
    """The items, if no two ids are the same on a file system that folds case."""
    seen: dict[str, int] = {}
    for number, item in enumerate(items):
        first = seen.setdefault(item.id.casefold(), number)
        if first != number:
            raise InputError(
                f"{path}: {table}.{number} has the id {item.id!r}, which {table}.{first} has already",
                "give each entry its own id",
            )
    return items


@dataclass(frozen=True)
class Case:
    """One text by one voice."""

    id: str
    request: Request


def load_cases(
    texts: Path, voices: Path, text_ids: Sequence[str] | None, voice_ids: Sequence[str] | None, text_mode: TextMode
) -> tuple[Case, ...]:
    """Every text of ``texts`` by every voice of ``voices``, all of a file or those with the given ids.

    InputError for a file that cannot be read, an unknown id, with the nearest known one, more than MAX_CASES, and a
    bad reference of a chosen voice.
    """
    chosen_voices = choose(load_voices(voices), voice_ids, voices)
    return cross_cases(choose(load_texts(texts), text_ids, texts), chosen_voices, text_mode, texts)


def cross_cases(texts: Sequence[Text], voices: Sequence[Voice], text_mode: TextMode, where: Path) -> tuple[Case, ...]:
    """Every text by every voice. InputError for more than MAX_CASES, and for a bad reference; ``where``: the texts'."""
    count = len(texts) * len(voices)
    if count > MAX_CASES:
        raise InputError(
            f"{where}: expected at most {MAX_CASES:,} cases, got {len(texts):,} texts by {len(voices):,} voices",
            "choose some by id",
        )
    ready = with_references(voices)
    return tuple(
        Case(f"{text.id}__{voice.id}", Request(text.text, voice, text.id, text_mode))
        for text in texts
        for voice in ready
    )
