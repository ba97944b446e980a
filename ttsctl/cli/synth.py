"""``ttsctl synth``: a text to audio, codes and timings."""

from __future__ import annotations

from typing import Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.request_options import (
    ConfigOption,
    InstructOption,
    LanguageOption,
    PacketsOption,
    SpeakerOption,
    TextModeOption,
    TraceOption,
    VoiceIdOption,
    VoicesOption,
    command_config,
    progress,
    recording,
)


def command(
    text: Annotated[str, typer.Argument(help="What to say.")],
    speaker: SpeakerOption = None,
    language: LanguageOption = None,
    instruct: InstructOption = None,
    voice_id: VoiceIdOption = None,
    voices: VoicesOption = None,
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
    from ttsctl.cli.finish import finish
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary
    from ttsctl.report.synth import render, summarise
    from ttsctl.runs.engines import load_engine
    from ttsctl.runs.requests import VoiceChoice, make_requests
    from ttsctl.runs.speak import speak, write_spoken

    config = command_config(config_file, checkpoint, recording(trace, packets, sets))
    voice = VoiceChoice(speaker, language, instruct, voice_id, voices, text_mode)
    request = make_requests([(None, text)], voice)[0]
    with run_folder(out, "synth") as run:
        engine = load_engine(config)
        with progress("frames") as tell:
            spoken = speak(engine, request, tell)
        files = write_spoken(spoken, run.path, config.record.packets)
        summary = summarise(spoken, files)
        write_summary(summary, run.path)
    render(summary)
    finish(summary, run.home, as_json)
