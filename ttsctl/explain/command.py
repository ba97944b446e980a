"""``explain`` as one call: its options, the runs that they ask for, the judgement, and the run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.files import write_text
from ttsctl.explain.investigate import Investigation, Methods
from ttsctl.explain.judge import conclude
from ttsctl.explain.live import explain_live
from ttsctl.explain.recorded import explain_recorded
from ttsctl.explain.summary import ExplainContext, ExplainSummary, summarise
from ttsctl.explain.tables import EXPLANATION, markdown, render
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import write_summary
from ttsctl.runs.requests import NamedText, VoiceChoice, chosen_texts, make_requests
from ttsctl.runs.resolve_config import config_of_file

__all__ = ["ExplainOptions", "VoiceChoice", "render", "run_explain"]

DEFAULT_RUNS = 2


@dataclass(frozen=True)
class ExplainOptions:
    """What the command line asks for.

    ``sources`` are two recorded runs, or none: then the runs are made now. ``sets`` change A and B, ``sets_b`` B alone.
    ``runs`` None: ``DEFAULT_RUNS``. ``jitters``: how many runs under last-bit jitter measure the rounding noise.
    """

    sources: tuple[Path, ...]
    config_file: Path | None
    against: Path | None
    sets: tuple[str, ...]
    sets_b: tuple[str, ...]
    checkpoint: str | None
    runs: int | None
    text: str | None
    text_id: str | None
    texts: Path | None
    voice: VoiceChoice
    jitters: int
    proof: bool


def run_explain(options: ExplainOptions, out: Path, advance: Callable[[], None]) -> tuple[ExplainSummary, Path]:
    """Explain, and write the run folder under ``out``: the summary and ``explanation.md``. Returns summary and folder.

    ``advance`` is called after every run of one configuration. InputError for options that do not go together.
    """
    texts = _texts(options)
    with run_folder(out, ExplainSummary) as run:
        found, context = _investigate(options, texts, advance)
        summary = summarise(found, conclude(found, context.runs), context)
        write_text(run.path / EXPLANATION, markdown(summary))
        write_summary(summary, run.path)
    return summary, run.home


def _investigate(
    options: ExplainOptions, texts: list[NamedText], advance: Callable[[], None]
) -> tuple[Investigation, ExplainContext]:
    methods = Methods(tuple(range(1, options.jitters + 1)), options.proof)
    if options.sources:
        _check_recorded(options)
        return explain_recorded(options.sources, texts, options.checkpoint, methods)
    request = make_requests(texts, options.voice)[0]
    configs = _configs(options)
    if options.runs is not None and len(configs) > 1:
        raise InputError("--runs: expected one configuration to repeat, got two", "leave out --runs")
    return explain_live(configs, request, options.runs or DEFAULT_RUNS, methods, advance)


def _texts(options: ExplainOptions) -> list[NamedText]:
    """The text to speak. For recorded runs, candidates for the text that they spoke; none if no text was named."""
    named = options.text is not None or options.text_id is not None
    if options.sources and not named and options.texts is None:
        return []
    if not options.sources and not named:
        raise InputError("explain: expected two recorded runs, or a text to speak", "name it with --text or --text-id")
    given = [] if options.text is None else [options.text]
    return chosen_texts(given, [] if options.text_id is None else [options.text_id], options.texts)


def _check_recorded(options: ExplainOptions) -> None:
    """InputError unless there are two recorded runs, without options for what their metas say."""
    if len(options.sources) != 2:
        raise InputError(f"explain: expected two recorded runs, got {len(options.sources)}", "name A and B")
    settings = (options.config_file, options.against, options.sets, options.sets_b, options.runs)
    if any(settings) or options.voice.given:
        raise InputError(
            "explain: recorded runs bring their own configurations and voice",
            "leave out --config, --against, --set, --set-b, --runs and the options of the voice",
        )


def _configs(options: ExplainOptions) -> list[Config]:
    """One configuration, or A's and B's.

    B starts from ``--against``, or from A's file without it; ``--set`` and then ``--set-b`` go on top.
    """
    configs = [config_of_file(options.config_file, options.checkpoint, options.sets)]
    if options.against is not None or options.sets_b:
        file = options.against or options.config_file
        configs.append(config_of_file(file, options.checkpoint, (*options.sets, *options.sets_b)))
    return configs
