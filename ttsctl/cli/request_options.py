"""What the commands that speak share: their options, the requests they make of them, and progress."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ttsctl.core.config import Config
    from ttsctl.core.request import Request

TextOption = Annotated[list[str] | None, typer.Option("--text", help="A text to speak; may be repeated.")]
TextIdOption = Annotated[list[str] | None, typer.Option("--text-id", help="A text out of --texts; repeatable.")]
TextsOption = Annotated[Path, typer.Option("--texts", help="File of texts; without --text-id all of them.")]
SpeakerOption = Annotated[str | None, typer.Option("--speaker", help="Speaker by name; default: the first voice's.")]
LanguageOption = Annotated[str | None, typer.Option("--language", help="Language by name, or Auto.")]
InstructOption = Annotated[str | None, typer.Option("--instruct", help="How to speak, in words.")]
VoiceIdOption = Annotated[str | None, typer.Option("--voice-id", help="A voice out of --voices.")]
VoicesOption = Annotated[Path, typer.Option("--voices", help="File of voices.")]
TextModeOption = Annotated[
    Literal["streaming", "whole"],
    typer.Option("--text-mode", help="streaming: one text token a frame; whole: all text before the first frame."),
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="TOML file of configuration tables.")]
TraceOption = Annotated[
    Literal["none", "codes", "stages", "modules"] | None,
    typer.Option("--trace", help="Record draws, or also fingerprints of stages or modules; as --set record.trace=…"),
]
PacketsOption = Annotated[
    bool, typer.Option("--packets", help="Keep the times of every packet; as --set record.packets=true")
]
DEFAULT_VOICES = Path("manifests/voices_base.json")
DEFAULT_TEXTS = Path("manifests/texts_base.json")
# For a folder without manifests; only a CustomVoice checkpoint asks for a speaker.
FALLBACK_SPEAKER = "vivian"


def command_config(config_file: Path | None, checkpoint: str | None, sets: list[str] | None) -> Config:
    """The resolved configuration of a command: its ``--config``, then ``--checkpoint``, then every ``--set``."""
    from ttsctl.core.toml_file import read_toml
    from ttsctl.runs.resolve_config import chosen_sets, resolve_config

    table = read_toml(config_file, "config file") if config_file else None
    return resolve_config(table, config_file, chosen_sets(checkpoint, sets))


def recording(trace: str | None, packets: bool, sets: list[str] | None) -> list[str]:
    """``--trace`` and ``--packets`` as the settings they stand for, under every ``--set``."""
    chosen = [f"record.trace={trace}"] if trace is not None else []
    return [*chosen, *(["record.packets=true"] if packets else []), *(sets or [])]


def chosen_texts(given: list[str], ids: list[str], file: Path) -> list[tuple[str | None, str]]:
    """(text id, text) of what was asked for: the given texts, or else those of the file, all or by id."""
    from ttsctl.core.errors import InputError
    from ttsctl.runs.texts import choose, load_texts

    if given and ids:
        raise InputError("--text and --text-id: expected one of them, got both", "leave one out")
    if given:
        return [(None, text) for text in given]
    return [(item.id, item.text) for item in choose(load_texts(file), ids or None, file)]


def make_requests(
    texts: list[tuple[str | None, str]],
    voices_file: Path,
    voice_id: str | None,
    speaker: str | None,
    language: str | None,
    instruct: str | None,
    text_mode: Literal["streaming", "whole"],
) -> list[Request]:
    """One request for each (text id, text), all by the voice that the options name. InputError for blank text."""
    from dataclasses import replace

    from ttsctl.core.errors import InputError
    from ttsctl.core.request import Request, Voice
    from ttsctl.runs.texts import choose, load_voices

    if speaker is None and voice_id is None and not voices_file.exists() and voices_file == DEFAULT_VOICES:
        voice = Voice(FALLBACK_SPEAKER, FALLBACK_SPEAKER)
    elif speaker is None:
        voices = load_voices(voices_file)
        voice = choose(voices, [voice_id] if voice_id else None, voices_file)[0]
    elif voice_id is not None:
        raise InputError("--speaker and --voice-id: expected one of them, got both", "leave one out")
    else:
        voice = Voice(speaker.lower(), speaker)
    if language is not None:
        voice = replace(voice, language=language)
    if instruct is not None:
        voice = replace(voice, instruct=instruct)
    for option, given in (("--speaker", speaker), ("--language", language)):
        if given is not None and not given.strip():
            raise InputError(f"{option}: expected a name, got white space", "leave it out for the default")
    for text_id, text in texts:
        name = f"text {text_id}" if text_id else "text"
        if any("\ud800" <= character <= "\udfff" for character in text):  # how Python hands on bytes it cannot read
            raise InputError(f"{name}: not UTF-8 text", "give it as UTF-8")
        if not text.strip():
            raise InputError(f"{name}: expected at least one character that is not white space", "give a text")
    return [Request(text, voice, text_id, text_mode) for text_id, text in texts]


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on stderr, if that is a terminal; the function it yields moves it on by one."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
