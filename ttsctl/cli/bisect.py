"""``ttsctl bisect``: one configuration holds, another does not; which keys make the difference?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.request_options import (
    InstructOption,
    LanguageOption,
    SpeakerOption,
    TextIdOption,
    TextModeOption,
    TextOption,
    TextsOption,
    VoiceIdOption,
    VoicesOption,
    progress,
)


def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="The configuration that holds: TOML, or a meta or summary.")],
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
    # Imported here so that --help does not pay for them.
    from ttsctl.bisect.bisection import bisect
    from ttsctl.bisect.fresh_runs import FreshEngines, FreshProcesses
    from ttsctl.bisect.judge import judge
    from ttsctl.bisect.probes import Question
    from ttsctl.bisect.sources import environment, other_requests, read_source
    from ttsctl.bisect.summary import render, summarise
    from ttsctl.cli.finish import finish
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary
    from ttsctl.runs.requests import VoiceChoice, chosen_texts, make_requests

    sides = read_source(a, checkpoint, sets), read_source(b, checkpoint, sets)
    voice = VoiceChoice(speaker, language, instruct, voice_id, voices, text_mode)
    wanted = chosen_texts(text or [], text_id or [], texts)
    requests = make_requests(wanted, voice)
    named = None if symptom == "auto" else symptom
    question = Question(sides[0].config, sides[1].config, tuple(requests), runs, named, max_probes)
    with run_folder(out, "bisect") as run:
        fresh = FreshProcesses() if isolation == "process" else FreshEngines()
        with progress("probes") as tell, fresh as runner:
            outcome = bisect(question, runner.run, tell)
        here = runner.provenance()
        names = sides[0].name, sides[1].name
        judgement = judge(outcome, question)
        judgement = replace(judgement, notes=(*judgement.notes, *other_requests(*sides, requests)))
        summary = summarise(question, outcome, judgement, names, here, environment(*sides, here))
        write_summary(summary, run.path)
    render(summary, open_console())
    finish(summary, run.home, as_json)
