"""Codes that an experiment brings along: its decode runs decode them, one case a dump, and nothing is spoken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.dumps.meta import DumpMeta
from ttsctl.dumps.sources import Dump, load_sources
from ttsctl.runs.references import with_references
from ttsctl.runs.texts import Case

# Longer ids do not fit a case.
_LONGEST = 56
UNKNOWN_VOICE = Voice("unknown")


@dataclass(frozen=True, eq=False)
class GivenCodes:
    """The codes (T, Q) int64 of one case, the file they came from, and their sha256.

    ``text_id`` and ``voice`` are those of the dump's meta; None without one.
    """

    path: str
    sha256: str
    codes: CodeArray
    text_id: str | None = None
    voice: Voice | None = None


@dataclass(frozen=True, eq=False)
class CodeSet:
    """All given codes by case id, and what was left out of a folder or manifest."""

    by_case: Mapping[str, GivenCodes]
    notes: tuple[str, ...] = ()

    def cases(self) -> tuple[Case, ...]:
        """A case for each. The text is not known, and a decode run does not ask for it."""
        return tuple(
            Case(case, Request("", given.voice or UNKNOWN_VOICE, given.text_id)) for case, given in self.by_case.items()
        )


NO_CODES = CodeSet({})


def read_given_codes(paths: Sequence[Path]) -> CodeSet:
    """The dumps that the paths stand for, as ``dumps.sources`` reads them; named after their tags.

    InputError as of ``load_sources``, and for a meta without its codes.
    """
    dumps, notes = load_sources(list(paths))
    by_case: dict[str, GivenCodes] = {}
    for dump in dumps:
        by_case[_case_id(dump.tag, by_case)] = _given(dump)
    return CodeSet(by_case, tuple(notes))


def _given(dump: Dump) -> GivenCodes:
    if dump.codes is None:
        raise InputError(f"{dump.label}: a meta without its codes", "put the code file beside it")
    if dump.meta is None:
        return GivenCodes(dump.label, dump.sha256, dump.codes)
    return GivenCodes(dump.label, dump.sha256, dump.codes, dump.meta.text_id, _voice(dump.meta))


def _voice(meta: DumpMeta) -> Voice:
    """The voice of a dump, with its reference only if the decoder is to have that before the codes.

    InputError for a reference that is not there any more.
    """
    voice = Voice.from_dict(meta.voice)
    if not voice.is_cloned:
        return voice
    if meta.prompt is None or meta.prompt.hashes.codes is None:
        return Voice(voice.id, voice.speaker, voice.language, voice.instruct)
    return with_references([voice])[0]


def _case_id(tag: str, taken: Mapping[str, GivenCodes]) -> str:
    """The tag as an id; a number follows where it is taken, on a file system that folds case."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", tag).strip("_.-")[:_LONGEST].strip("_.-") or "codes"
    used = {case.casefold() for case in taken}
    number, found = 1, name
    while found.casefold() in used:
        number += 1
        found = f"{name}-{number}"
    return found
