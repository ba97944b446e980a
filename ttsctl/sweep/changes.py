"""What the command line changes of an experiment: its texts, voices and codes, and the settings that it varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError
from ttsctl.core.files import toml_value
from ttsctl.core.request import Voice
from ttsctl.runs.job import Isolation, Measure
from ttsctl.runs.requests import NO_CHOICE, VoiceChoice, cloned_voice

__all__ = ["NO_CHANGES", "Changes", "VoiceChoice", "parse_vary"]


@dataclass(frozen=True)
class Changes:
    """Changes of an experiment from outside; an empty one leaves the file's.

    ``texts`` and ``voices``: files. ``text_ids`` and ``voice_ids``: which of theirs. ``codes``: code files, metas,
    manifests or folders, whose codes the decode runs get; nothing is then spoken. ``vary``: ``KEY=VALUE,VALUE,…``.
    ``isolation`` None: the file's. ``measure``: what is measured besides what the file names. ``cloned``: a reference
    or a saved voice in place of the file's voices.

    InputError for codes beside texts or voices, and for a cloned voice beside others.
    """

    texts: Path | None = None
    voices: Path | None = None
    text_ids: Sequence[str] = ()
    voice_ids: Sequence[str] = ()
    codes: Sequence[Path] = ()
    vary: Sequence[str] = ()
    isolation: Isolation | None = None
    measure: Sequence[Measure] = ()
    cloned: VoiceChoice = NO_CHOICE

    def __post_init__(self) -> None:
        if self.codes and (self.texts or self.voices or self.text_ids or self.voice_ids or self.cloned.given):
            raise InputError(
                "--codes: given codes are decoded and no text is spoken",
                "leave out --texts, --voices, --text-id, --voice-id and the options of a reference",
            )
        if self.cloned.given and (self.voices or self.voice_ids):
            what = "--ref-audio or --voice: the voice in place of the experiment's, beside --voices or --voice-id"
            raise InputError(what, "leave one out")

    def voice(self) -> Voice | None:
        """The cloned voice; None for the file's voices. InputError as of ``requests.cloned_voice``."""
        return cloned_voice(self.cloned) if self.cloned.given else None

    def updates(self, matrix: Mapping[str, Any], measure: Sequence[Measure]) -> dict[str, Any]:
        """The keys of an experiment that change, with paths that are relative to the working folder made absolute.

        ``matrix`` (dotted keys) and ``measure`` are what the file has of those that are added to.
        """
        updates: dict[str, Any] = {"matrix": {**matrix, **parse_vary(self.vary)}, "measure": [*measure, *self.measure]}
        # Another file does not have the ids of the experiment's.
        if self.texts is not None:
            updates |= {"texts": str(self.texts.absolute()), "text_ids": None}
        if self.voices is not None:
            updates |= {"voices": str(self.voices.absolute()), "voice_ids": None}
        if self.text_ids:
            updates["text_ids"] = list(self.text_ids)
        if self.voice_ids:
            updates["voice_ids"] = list(self.voice_ids)
        if self.isolation is not None:
            updates["isolation"] = self.isolation
        if self.codes:
            updates["codes"] = [str(path.absolute()) for path in self.codes]
        return updates

    def as_told(self) -> dict[str, Any]:
        """What was asked for by its name, for the summary; nothing for what the file decides."""
        told: dict[str, Any] = {
            "texts": None if self.texts is None else str(self.texts),
            "voices": None if self.voices is None else str(self.voices),
            "text_ids": list(self.text_ids),
            "voice_ids": list(self.voice_ids),
            "codes": [str(path) for path in self.codes],
            "vary": list(self.vary),
            "isolation": self.isolation,
            "measure": list(self.measure),
            "ref_audio": None if self.cloned.ref_audio is None else str(self.cloned.ref_audio),
            "ref_text": self.cloned.ref_text,
            "x_vector_only": self.cloned.x_vector_only,
            "voice": None if self.cloned.voice_file is None else str(self.cloned.voice_file),
        }
        return {name: value for name, value in told.items() if value}


NO_CHANGES = Changes()


def parse_vary(items: Sequence[str]) -> dict[str, list[Any]]:
    """``stream.packet_tokens=4,8`` -> ``{"stream.packet_tokens": [4, 8]}``; each value is TOML, or else a bare word.

    InputError for an item of another form, and for a key that stands there twice.
    """
    varied: dict[str, list[Any]] = {}
    for item in items:
        key, equals, text = item.partition("=")
        values = [part.strip() for part in text.split(",")]
        if not (equals and "." in key and all(values)):
            what = f"--vary {item}: expected table.key=value,value,…"
            raise InputError(what, "for example --vary stream.packet_tokens=4,8")
        if key.strip() in varied:
            raise InputError(f"--vary {item}: {key.strip()} is varied twice", "give all its values at once")
        varied[key.strip()] = [toml_value(value) for value in values]
    return varied
