"""``ttsctl explain``: two runs of one text differ; where did it start?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.request_options import (
    ConfigOption,
    InstructOption,
    LanguageOption,
    SpeakerOption,
    TextModeOption,
    VoiceIdOption,
    VoicesOption,
    progress,
)

if TYPE_CHECKING:
    from ttsctl.core.config import Config

RUNS = 2


def command(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[A B]", help="Two recorded runs: code files, metas, or folders with one dump."),
    ] = None,
    config_file: ConfigOption = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="TOML of B; without it, runs of one config.")
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
    # Imported here so that --help does not pay for them.
    from ttsctl.cli.finish import finish
    from ttsctl.core.errors import InputError
    from ttsctl.core.files import write_text
    from ttsctl.explain.judge import conclude
    from ttsctl.explain.live import Methods, explain_live, explain_recorded
    from ttsctl.explain.summary import EXPLANATION, markdown, render, summarise
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary
    from ttsctl.runs.requests import VoiceChoice, make_requests

    methods = Methods(tuple(range(1, jitters + 1)), proof)
    spoken = _spoken(text, text_id, texts, recorded=bool(sources))
    with run_folder(out, "explain") as run, progress("runs") as tell:
        if sources:
            _refuse_settings(sources, (runs, config_file, against, sets, sets_b, speaker, language, instruct, voice_id))
            found, context = explain_recorded(sources, spoken, checkpoint, methods)
        else:
            voice = VoiceChoice(speaker, language, instruct, voice_id, voices, text_mode)
            request = make_requests(spoken, voice)[0]
            configs = _configs(config_file, against, checkpoint, sets, sets_b)
            if runs is not None and len(configs) > 1:
                raise InputError("--runs: expected one configuration to repeat, got two", "leave out --runs")
            found, context = explain_live(configs, request, runs or RUNS, methods, tell)
        summary = summarise(found, *conclude(found, context.runs), context)
        write_text(run.path / EXPLANATION, markdown(summary))
        write_summary(summary, run.path)
    render(summary, open_console())
    finish(summary, run.home, as_json)


def _spoken(text: str | None, text_id: str | None, file: Path | None, recorded: bool) -> list[tuple[str | None, str]]:
    """(text id, text): one to speak; for recorded runs the candidates, none if no text was named."""
    from ttsctl.core.errors import InputError
    from ttsctl.runs.requests import chosen_texts

    if text is None and text_id is None and not (recorded and file is not None):
        if recorded:
            return []
        raise InputError("explain: expected two recorded runs, or a text to speak", "name it with --text or --text-id")
    given = [] if text is None else [text]
    return chosen_texts(given, [] if text_id is None else [text_id], file)


def _refuse_settings(sources: list[Path], given: tuple[object, ...]) -> None:
    """Recorded runs have their voice and their configurations in their metas."""
    from ttsctl.core.errors import InputError

    if len(sources) != 2:
        raise InputError(f"explain: expected two recorded runs, got {len(sources)}", "name A and B")
    if any(given):
        raise InputError(
            "explain: recorded runs bring their own configurations and voice",
            "leave out --config, --against, --set, --set-b, --runs and the options of the voice",
        )


def _configs(
    config: Path | None, against: Path | None, checkpoint: str | None, sets: list[str] | None, sets_b: list[str] | None
) -> list[Config]:
    """One configuration, or A's and B's: B is ``--against``, or A's own, with ``--set`` and then ``--set-b`` on top."""
    from ttsctl.cli.request_options import command_config

    configs = [command_config(config, checkpoint, sets)]
    if against is not None or sets_b:
        configs.append(command_config(against or config, checkpoint, [*(sets or []), *(sets_b or [])]))
    return configs
