"""What the commands that speak share: their options, the configuration they make of them, and progress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
RefAudioOption = Annotated[
    Path | None, typer.Option("--ref-audio", help="A wav or flac file whose voice a Base checkpoint clones.")
]
RefTextOption = Annotated[str | None, typer.Option("--ref-text", help="What --ref-audio says, word by word.")]
XVectorOnlyOption = Annotated[
    bool, typer.Option("--x-vector-only", help="Clone by the x-vector alone, without the reference's codes and text.")
]
VoiceFileOption = Annotated[
    Path | None, typer.Option("--voice", help="A voice that 'encode' saved (*.safetensors), in place of --ref-audio.")
]
TextModeOption = Annotated[
    Literal["streaming", "whole"],
    typer.Option("--text-mode", help="streaming: one text token a frame; whole: all text before the first frame."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML of configuration tables; or an earlier run's summary.json (of a sweep: summary.json#CONDITION), "
        "meta or baseline, or its folder.",
    ),
]
TraceOption = Annotated[
    Literal["none", "codes", "stages", "modules"] | None,
    typer.Option("--trace", help="Record draws, or also fingerprints of stages or modules; as --set record.trace=…"),
]
PacketsOption = Annotated[
    bool, typer.Option("--packets", help="Keep the times of every packet; as --set record.packets=true")
]


def recording(trace: str | None, packets: bool, sets: list[str] | None) -> list[str]:
    """``--trace`` and ``--packets`` as the settings they stand for, under every ``--set``."""
    chosen = [f"record.trace={trace}"] if trace is not None else []
    return [*chosen, *(["record.packets=true"] if packets else []), *(sets or [])]
