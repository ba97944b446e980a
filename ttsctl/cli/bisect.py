"""``ttsctl bisect``: one configuration holds, another does not; which keys make the difference?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.progress import steps
from ttsctl.cli.request_options import (
    InstructOption,
    LanguageOption,
    RefAudioOption,
    RefTextOption,
    SpeakerOption,
    TextIdOption,
    TextModeOption,
    TextOption,
    TextsOption,
    VoiceFileOption,
    VoiceIdOption,
    VoicesOption,
    XVectorOnlyOption,
)
from ttsctl.report.console import open_console


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="The configuration that holds: TOML, or an earlier run's.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The one that drifts, or gives other codes.")],
    runs: Annotated[int, typer.Option("--runs", min=1, help="How often a probe speaks each text.")] = 3,
    symptom: Annotated[
        Literal["auto", "drift", "codes"],
        typer.Option("--symptom", help="auto: drift if B drifts, else other codes than A's."),
    ] = "auto",
    max_probes: Annotated[int, typer.Option("--max-probes", min=3, help="Probes at most, controls included.")] = 64,
    isolation: Annotated[
        Literal["state", "process"],
        typer.Option("--isolation", help="state: an engine a configuration; process: a fresh interpreter every run."),
    ] = "state",
    text: TextOption = None,
    text_id: TextIdOption = None,
    texts: TextsOption = None,
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
    checkpoint: CheckpointOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Toggle the keys in which A and B differ, to the smallest set that explains B.

    Exit status: 0 B is as good as A, 1 keys were found, 2 wrong input, 3 A is itself unstable, A and B are the same
    configuration, the limit came first, or the engine failed.
    """
    # Imported here so that --help does not pay for it.
    from ttsctl.bisect.command import BisectOptions, VoiceChoice, render, run_bisect

    options = BisectOptions(
        a=a,
        b=b,
        runs=runs,
        symptom=None if symptom == "auto" else symptom,
        max_probes=max_probes,
        isolation=isolation,
        given=tuple(text or ()),
        text_ids=tuple(text_id or ()),
        texts=texts,
        voice=VoiceChoice(
            speaker, language, instruct, voice_id, voices, text_mode, ref_audio, ref_text, x_vector_only, voice_file
        ),
        checkpoint=checkpoint,
        sets=tuple(sets or ()),
    )
    with steps("probes") as advance:
        summary, home = run_bisect(options, out, advance)
    render(summary, open_console())
    finish(summary, home, as_json)
