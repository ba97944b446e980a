"""``ttsctl dump-codes``: some texts, N times each, to code dumps with their hashes."""

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
    TextIdOption,
    TextModeOption,
    TextOption,
    TextsOption,
    TraceOption,
    VoiceIdOption,
    VoicesOption,
    command_config,
    progress,
    recording,
)


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
    from ttsctl.cli.finish import finish
    from ttsctl.dumps.manifest import write_manifest
    from ttsctl.report.dump_codes import render, summarise
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary
    from ttsctl.runs.engines import load_engine
    from ttsctl.runs.requests import VoiceChoice, chosen_texts, make_requests
    from ttsctl.runs.speak import record_runs

    config = command_config(config_file, checkpoint, recording(trace, packets, sets))
    voice = VoiceChoice(speaker, language, instruct, voice_id, voices, text_mode)
    wanted = chosen_texts(text or [], text_id or [], texts)
    requests = make_requests(wanted, voice)
    with run_folder(out, "dump-codes") as run:
        engine = load_engine(config)
        with progress("runs", len(requests) * runs) as tell:
            dumps = record_runs(engine, requests, runs, run.path, tell)
        write_manifest(run.path)
        summary = summarise(engine, dumps, runs)
        write_summary(summary, run.path)
    render(summary)
    finish(summary, run.home, as_json)
