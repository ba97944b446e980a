"""``regress`` as one call: from what the command line asks for to a run folder with its reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.core.files import write_text
from ttsctl.core.machine import collect_provenance
from ttsctl.regress.pages import junit_xml, regress_html
from ttsctl.regress.publish import check_new_baseline, publish_result
from ttsctl.regress.run import CaseProgress, SuiteResult, run_suite
from ttsctl.regress.suite import load_suite
from ttsctl.regress.summary import HTML, JUNIT, RegressSummary, history_line, summarise
from ttsctl.report.run_folder import append_history, run_folder
from ttsctl.report.summary import write_summary
from ttsctl.runs import engines
from ttsctl.runs.resolve_config import chosen_sets, config_source, resolve_config
from ttsctl.runs.shipped import find_suite


@dataclass(frozen=True)
class RegressOptions:
    """What the command line asks for.

    ``suite``: a suite file, or the name of a shipped suite. ``baseline``: a folder to compare with in place of the
    suite's. ``config_file``: configuration tables over the suite's own, of a file or of an earlier run.
    ``write_baseline``: a new folder for this run's own baseline. ``checkpoint`` and ``sets`` change settings
    of the suite. ``out``: the root of the run folders. ``offline_from_codes``: the offline run of each case decodes the
    stream's codes, also if the suite does not say so.
    """

    suite: str
    baseline: Path | None = None
    write_baseline: Path | None = None
    checkpoint: str | None = None
    sets: list[str] | None = None
    out: Path = Path("output")
    offline_from_codes: bool = False
    config_file: Path | None = None


@dataclass(frozen=True)
class RegressRun:
    """A finished run: what it found, its summary, and the folder ``home`` that holds its files.

    ``no_history``: why the history did not get its line, or None.
    """

    result: SuiteResult
    summary: RegressSummary
    home: Path
    no_history: str | None

    def publish(self, target: Path) -> str | None:
        """Copy the run's baseline to the new folder ``target`` -> None, or why not; see publish_result."""
        return publish_result(self.result, self.home, target)


def run_regress(options: RegressOptions, progress: CaseProgress | None = None) -> RegressRun:
    """Run the suite, judge it, write the reports, and add a line to the history.

    InputError for wrong options, a broken suite or baseline, and an unwritable folder; else as loading the engine.
    """
    _check_baselines(options)
    suite = load_suite(find_suite(options.suite))
    if options.offline_from_codes:
        suite = replace(suite, offline_from_codes=True)
    if suite.offline_from_codes and options.write_baseline is not None:
        what = "--write-baseline: a baseline needs offline runs that make their own codes"
        raise InputError(what, "leave out --offline-from-codes, and offline_from_codes of the suite")
    sets, over = chosen_sets(options.checkpoint, options.sets), config_source(options.config_file)
    config = resolve_config(dict(suite.config_tables), suite.path, sets, over)
    with run_folder(options.out, RegressSummary) as run:
        result = run_suite(
            suite,
            config,
            partial(engines.load_engine, config),
            options.baseline or suite.baseline,
            options.write_baseline is not None,
            run.path,
            progress,
            baseline_named=options.baseline is not None,
        )
        summary = summarise(result, result.info.provenance if result.info else collect_provenance())
        write_text(run.path / JUNIT, junit_xml(summary))
        write_text(run.path / HTML, regress_html(summary))
        write_summary(summary, run.path)
    return RegressRun(result, summary, run.home, append_history(options.out, history_line(summary, str(run.home))))


def _check_baselines(options: RegressOptions) -> None:
    """InputError for options that contradict each other: before the run, which takes minutes."""
    if options.baseline is not None and options.write_baseline is not None:
        raise InputError("--baseline and --write-baseline: expected one of them, got both", "leave one out")
    if options.write_baseline is not None:
        check_new_baseline(options.write_baseline)
