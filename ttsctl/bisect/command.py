"""``bisect`` as one call: its options, both configurations, the search, the judgement, and the run folder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ttsctl.bisect.bisection import bisect
from ttsctl.bisect.fresh_runs import fresh_runs
from ttsctl.bisect.judge import bisection_notes, judge_bisection
from ttsctl.bisect.probes import Advance, Question
from ttsctl.bisect.sources import environment_differences, other_requests, read_source
from ttsctl.bisect.summary import BisectContext, BisectSummary, summarise
from ttsctl.bisect.tables import render
from ttsctl.bisect.text_runs import Symptom
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import write_summary
from ttsctl.runs.job import Isolation
from ttsctl.runs.requests import VoiceChoice, chosen_texts, make_requests

__all__ = ["BisectOptions", "VoiceChoice", "render", "run_bisect"]


@dataclass(frozen=True)
class BisectOptions:
    """What the command line asks for.

    ``a`` and ``b`` are files with a configuration each; ``checkpoint`` and ``sets`` change both. ``symptom`` None: as B
    shows it. ``given`` are texts as they are typed; without one, those of the file ``texts``, all or by ``text_ids``.
    """

    a: Path
    b: Path
    runs: int
    symptom: Symptom | None
    max_probes: int
    isolation: Isolation
    given: tuple[str, ...]
    text_ids: tuple[str, ...]
    texts: Path | None
    voice: VoiceChoice
    checkpoint: str | None
    sets: tuple[str, ...]


def run_bisect(options: BisectOptions, out: Path, advance: Advance) -> tuple[BisectSummary, Path]:
    """Bisect, and write the run folder under ``out``. Returns the summary and the folder.

    ``advance`` is called after every probe. InputError for sources, texts or a voice that cannot be read, and for a
    control that cannot be run as asked.
    """
    a = read_source(options.a, options.checkpoint, options.sets)
    b = read_source(options.b, options.checkpoint, options.sets)
    texts = chosen_texts(list(options.given), list(options.text_ids), options.texts)
    requests = tuple(make_requests(texts, options.voice))
    question = Question(a.config, b.config, requests, options.runs, options.symptom, options.max_probes)
    with run_folder(out, BisectSummary) as run:
        with contextlib.closing(fresh_runs(options.isolation)) as runner:
            found = bisect(question, runner.run, advance)
            here, noted = runner.provenance(), runner.notes()
        context = BisectContext(
            a=a.name,
            b=b.name,
            provenance=here,
            environment=environment_differences(a, b, here),
            notes=[*bisection_notes(found, question), *other_requests(a, b, requests), *noted],
        )
        summary = summarise(question, found, judge_bisection(found, question), context)
        write_summary(summary, run.path)
    return summary, run.home
