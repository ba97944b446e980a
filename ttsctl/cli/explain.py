"""``ttsctl explain``: two runs of one text differ; where did it start?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.progress import steps
from ttsctl.cli.request_options import (
    ConfigOption,
    InstructOption,
    LanguageOption,
    RefAudioOption,
    RefTextOption,
    SpeakerOption,
    TextModeOption,
    VoiceFileOption,
    VoiceIdOption,
    VoicesOption,
    XVectorOnlyOption,
)
from ttsctl.report.console import open_console


def command(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[A B]", help="Two recorded runs: code files, metas, or folders with one dump."),
    ] = None,
    config_file: ConfigOption = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="B's file, as --config; without it, runs of one config.")
    ] = None,
    sets: SetOption = None,
    sets_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="KEY=VALUE", help="Change a setting of B; repeatable.")
    ] = None,
    checkpoint: CheckpointOption = None,
    runs: Annotated[
        int | None, typer.Option("--runs", min=2, help="Runs of one config, up to the first that differs; default 2.")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="The text to speak, or that the two runs spoke.")] = None,
    text_id: Annotated[str | None, typer.Option("--text-id", help="A text out of --texts.")] = None,
    texts: Annotated[
        Path | None, typer.Option("--texts", help="File of texts; for recorded runs, the one that fits is taken.")
    ] = None,
    speaker: SpeakerOption = None,
    language: LanguageOption = None,
    instruct: InstructOption = None,
    voice_id: VoiceIdOption = None,
    voices: VoicesOption = None,
    ref_audio: RefAudioOption = None,
    ref_text: RefTextOption = None,
    x_vector_only: XVectorOnlyOption = False,
    voice_file: VoiceFileOption = None,
    text_mode: TextModeOption = "streaming",
    jitters: Annotated[
        int, typer.Option("--jitters", min=0, help="Runs under last-bit jitter that measure the rounding noise.")
    ] = 4,
    proof: Annotated[bool, typer.Option("--proof/--no-proof", help="Try to prove it by grafts.")] = True,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Name the first difference of two runs: stage, frame, codebook and module, and whether it is the culprit.

    Two recorded runs A and B; or runs made now, of one configuration (--config, --set), or of it against another
    (--against, --set-b). With the text at hand, recorded runs are made again to measure noise and to prove it.
    Exit status: 0 nothing differs, 1 a difference, 2 wrong input, 3 could not judge.
    """
    # Imported here so that --help does not pay for it.
    from ttsctl.explain.command import ExplainOptions, VoiceChoice, render, run_explain

    options = ExplainOptions(
        sources=tuple(sources or ()),
        config_file=config_file,
        against=against,
        sets=tuple(sets or ()),
        sets_b=tuple(sets_b or ()),
        checkpoint=checkpoint,
        runs=runs,
        text=text,
        text_id=text_id,
        texts=texts,
        voice=VoiceChoice(
            speaker, language, instruct, voice_id, voices, text_mode, ref_audio, ref_text, x_vector_only, voice_file
        ),
        jitters=jitters,
        proof=proof,
    )
    with steps("runs") as advance:
        summary, home = run_explain(options, out, advance)
    render(summary, open_console())
    finish(summary, home, as_json)
