"""The tables of ``regress`` on the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from ttsctl.core.plurals import counted, listed
from ttsctl.regress.gate_rows import gate_rows, shown
from ttsctl.regress.run_pops import RunPops
from ttsctl.regress.summary import BaselineFacts, CaseSummary, RegressSummary
from ttsctl.report.console import MISSING, number, print_notes, say, table

if TYPE_CHECKING:
    from rich.console import Console

_STYLE = {"pass": "green", "fail": "bold red", "error": "bold red", "not_comparable": "yellow", "skipped": "dim"}
_CASE_COLUMNS = ("frames", "hash_unique", "mae_waveform", "snr_db", "pop_click_score", "ttfa_ms", "rtf", "stalls")
# The summary lists more pops of a run, and every run of every case.
POPS_SHOWN = 3
POP_ROWS = 20
_OVER_ALL = (
    "ttfp_ms",
    "ttf_ms",
    "ttfa_ms",
    "rtf",
    "total_s",
    "wall_rtf",
    "stalls",
    "mae_waveform",
    "snr_db",
    "pop_click_score",
)


def render(summary: RegressSummary, console: Console) -> None:
    """Cases, distribution over all cases, gates, then the baseline and the notes."""
    if summary.cases:
        console.print(_cases_table(summary.cases))
    runs = [run for case in summary.cases for run in case.runs]
    if any(run.pops.count != 0 for run in runs):
        console.print(_pops_table(summary.cases))
    elif runs:
        say(console, f"no pop in the audio of {counted(len(runs), 'run')}")
    if any(found.n for found in summary.aggregates.values()):
        console.print(_aggregates_table(summary))
    console.print(_gates_table(summary))
    for line in _baseline_lines(summary.baseline):
        say(console, line)
    print_notes(console, summary.notes)


def _cases_table(cases: list[CaseSummary]) -> Table:
    found = table("Cases", "case", *_CASE_COLUMNS)
    for case in cases:
        if case.error is not None:
            found.add_row(escape(f"{case.id}: {case.error}"), *(MISSING for _ in _CASE_COLUMNS), style="red")
        else:
            found.add_row(escape(case.id), *(shown(case.metrics[name].value) for name in _CASE_COLUMNS))
    return found


def _pops_table(cases: list[CaseSummary]) -> Table:
    """One row for all runs of a case that have the same pops; a case without pops has none."""
    found = table("Pops", "case", "runs", "pops", "the strongest", left=2)
    found.columns[-1].justify = "left"
    rows = [(case.id, names, pops) for case in cases for names, pops in _runs_by_pops(case) if pops.count != 0]
    for case_id, names, pops in rows[:POP_ROWS]:
        found.add_row(escape(case_id), escape(listed(names)), number(pops.count), escape(_pop_words(pops)))
    if len(rows) > POP_ROWS:
        found.add_row(f"and {len(rows) - POP_ROWS:,} rows more", "", "", "")
    return found


def _runs_by_pops(case: CaseSummary) -> list[tuple[list[str], RunPops]]:
    by_pops: dict[RunPops, list[str]] = {}
    for run in case.runs:
        by_pops.setdefault(run.pops, []).append(run.run)
    return [(names, pops) for pops, names in by_pops.items()]


def _pop_words(pops: RunPops) -> str:
    """The strongest in order of time, and how many more pops there are."""
    if pops.count is None:
        return pops.reason or MISSING
    strongest = sorted(pops.strongest, key=lambda pop: -pop.strength_db)[:POPS_SHOWN]
    return listed([str(pop) for pop in sorted(strongest, key=lambda pop: pop.time_s)], POPS_SHOWN, pops.count)


def _aggregates_table(summary: RegressSummary) -> Table:
    found = table("Over all cases", "metric", "P50", "P95", "max", "n")
    for name in _OVER_ALL:
        one = summary.aggregates[name]
        found.add_row(name, shown(one.p50), shown(one.p95), shown(one.max), str(one.n))
    return found


def _gates_table(summary: RegressSummary) -> Table:
    columns = ("gate", "asks", "worst", "where", "verdict", "why")
    found = table("Gates", *columns, left=len(columns))
    for row in gate_rows(summary.verdicts):
        verdict = row.status.replace("_", " ") + (f" ({row.count})" if row.count else "")
        why = row.reason if row.status != "skipped" else ""
        cells = (row.gate, row.asks, row.worst, row.where, verdict, why)
        found.add_row(*(escape(cell) for cell in cells), style=_STYLE[row.status])
    return found


def _baseline_lines(baseline: BaselineFacts) -> list[str]:
    lines = [f"baseline: {baseline.folder or 'none, ' + (baseline.absent or '')}"]
    lines += [f"  codes and audio not comparable: {line}" for line in baseline.codes_differ]
    lines += [f"  times not comparable: {line}" for line in baseline.timing_differ]
    return lines + [f"  set otherwise: {line}" for line in baseline.settings_differ]
