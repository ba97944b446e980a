"""``ttsctl synth``: a text to audio, codes and timings."""

from __future__ import annotations

from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.progress import steps
from ttsctl.cli.request_options import (
    ConfigOption,
    InstructOption,
    LanguageOption,
    PacketsOption,
    RefAudioOption,
    RefTextOption,
    SpeakerOption,
    TextModeOption,
    TraceOption,
    VoiceFileOption,
    VoiceIdOption,
    VoicesOption,
    XVectorOnlyOption,
    recording,
)
from ttsctl.report.console import open_console


def command(
    text: Annotated[str, typer.Argument(help="What to say.")],
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
    trace: TraceOption = None,
    packets: PacketsOption = False,
    checkpoint: CheckpointOption = None,
    config_file: ConfigOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Speak a text: stream.wav, offline.wav, the codes and the timings.

    Exit status: 0 stream and offline gave the same codes, 1 they differ, 2 bad input, 3 the engine failed.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.report.synth import render, run_synth
    from ttsctl.runs.requests import VoiceChoice, make_requests
    from ttsctl.runs.resolve_config import config_of_file

    config = config_of_file(config_file, checkpoint, recording(trace, packets, sets))
    voice = VoiceChoice(
        speaker, language, instruct, voice_id, voices, text_mode, ref_audio, ref_text, x_vector_only, voice_file
    )
    request = make_requests([(None, text)], voice)[0]
    with steps("frames") as advance:
        summary, home = run_synth(config, request, out, advance)
    render(summary, open_console())
    finish(summary, home, as_json)
