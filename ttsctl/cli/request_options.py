"""What the commands that speak share: their options, the configuration they make of them, and progress."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ttsctl.core.config import Config

TextOption = Annotated[list[str] | None, typer.Option("--text", help="A text to speak; may be repeated.")]
TextIdOption = Annotated[list[str] | None, typer.Option("--text-id", help="A text out of --texts; repeatable.")]
TextsOption = Annotated[
    Path | None,
    typer.Option(
        "--texts",
        help="File of texts; without --text-id all of them. "
        "Default: manifests/texts_base.json, or else the shipped one.",
    ),
]
SpeakerOption = Annotated[str | None, typer.Option("--speaker", help="Speaker by name; default: the first voice's.")]
LanguageOption = Annotated[str | None, typer.Option("--language", help="Language by name, or Auto.")]
InstructOption = Annotated[str | None, typer.Option("--instruct", help="How to speak, in words.")]
VoiceIdOption = Annotated[str | None, typer.Option("--voice-id", help="A voice out of --voices.")]
VoicesOption = Annotated[
    Path | None,
    typer.Option("--voices", help="File of voices. Default: manifests/voices_base.json, or else the shipped one."),
]
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


@contextlib.contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on stderr, if that is a terminal; the function it yields moves it on by one."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
