"""``ttsctl dump-codes``: some texts, N times each, to code dumps with their hashes."""

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
    TextIdOption,
    TextModeOption,
    TextOption,
    TextsOption,
    TraceOption,
    VoiceFileOption,
    VoiceIdOption,
    VoicesOption,
    XVectorOnlyOption,
    recording,
)
from ttsctl.report.console import open_console


def command(
    text: TextOption = None,
    text_id: TextIdOption = None,
    texts: TextsOption = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="How often each text is spoken.")] = 1,
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
    """Speak texts N times and dump the codes of every run, with hashes and a manifest.

    Exit status: 0 every text gave one hash, 1 drift (hash_unique > 1), 2 bad input, 3 the engine failed.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.report.dump_codes import render, run_dump_codes
    from ttsctl.runs.requests import VoiceChoice, chosen_texts, make_requests
    from ttsctl.runs.resolve_config import config_of_file

    config = config_of_file(config_file, checkpoint, recording(trace, packets, sets))
    voice = VoiceChoice(
        speaker, language, instruct, voice_id, voices, text_mode, ref_audio, ref_text, x_vector_only, voice_file
    )
    requests = make_requests(chosen_texts(text or [], text_id or [], texts), voice)
    with steps("runs", len(requests) * runs) as advance:
        summary, home = run_dump_codes(config, requests, runs, out, advance)
    render(summary, open_console())
    finish(summary, home, as_json)
