"""The tables of ``regress`` on the console."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.regress.gate_rows import gate_rows, shown
from ttsctl.regress.summary import CaseSummary, RegressSummary

_STYLE = {"pass": "green", "fail": "bold red", "error": "bold red", "not_comparable": "yellow", "skipped": "dim"}
_CASE_COLUMNS = ("frames", "hash_unique", "mae_waveform", "snr_db", "pop_click_score", "ttfa_ms", "rtf")
_OVER_ALL = ("ttfp_ms", "ttf_ms", "ttfa_ms", "rtf", "mae_waveform", "snr_db", "pop_click_score")


def render(summary: RegressSummary, console: Console) -> None:
    """Cases, distribution over all cases, gates, then the baseline and the notes."""
    if summary.cases:
        console.print(_cases_table(summary.cases))
    if any(found.n for found in summary.aggregates.values()):
        console.print(_aggregates_table(summary))
    console.print(_gates_table(summary))
    for line in _remarks(summary):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(title: str, left: tuple[str, ...], right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cases_table(cases: list[CaseSummary]) -> Table:
    table = _table("Cases", ("case",), _CASE_COLUMNS)
    for case in cases:
        if case.error is not None:
            table.add_row(escape(f"{case.id}: {case.error}"), *("–" for _ in _CASE_COLUMNS), style="red")
        else:
            table.add_row(escape(case.id), *(shown(case.metrics[name].value) for name in _CASE_COLUMNS))
    return table


def _aggregates_table(summary: RegressSummary) -> Table:
    table = _table("Over all cases", ("metric",), ("P50", "P95", "max", "n"))
    for name in _OVER_ALL:
        found = summary.aggregates[name]
        table.add_row(name, shown(found.p50), shown(found.p95), shown(found.max), str(found.n))
    return table


def _gates_table(summary: RegressSummary) -> Table:
    table = _table("Gates", ("gate", "asks", "worst", "where", "verdict", "why"), ())
    for row in gate_rows(summary.verdicts):
        verdict = row.status.replace("_", " ") + (f" ({row.count})" if row.count else "")
        why = row.reason if row.status != "skipped" else ""
        cells = (row.gate, row.asks, row.worst, row.where, verdict, why)
        table.add_row(*(escape(cell) for cell in cells), style=_STYLE[row.status])
    return table


def _remarks(summary: RegressSummary) -> list[str]:
    baseline = summary.baseline
    lines = [f"baseline: {baseline.folder or 'none, ' + (baseline.absent or '')}"]
    lines += [f"  codes and audio not comparable: {line}" for line in baseline.codes_differ]
    lines += [f"  times not comparable: {line}" for line in baseline.timing_differ]
    return lines + [f"note: {note}" for note in summary.notes]
