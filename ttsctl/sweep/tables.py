"""The table and the conclusions of a sweep on the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ttsctl.core.printable import message_line
from ttsctl.report.console import MISSING, print_notes, say, table
from ttsctl.sweep.decision_table import ALL, cell
from ttsctl.sweep.metrics import PERCENTILES, percentile_name
from ttsctl.sweep.rows import ConditionRow
from ttsctl.sweep.summary import SweepSummary

if TYPE_CHECKING:
    from rich.console import Console

# Metric -> heading, short enough for 120 columns, a log has 160; what a cell shows besides metrics is in ``_cell``.
_COLUMNS = {
    "runs": "runs",
    "errors": "fail",
    "stalls": "stall",
    "missing_dumps": "no dump",
    "frames_most": "frames",
    "duration_s": "s",
    "decode_calls_most": "calls",
    "hash_unique": "hash",
    "first_packet_hash_unique": "pkt0",
    "first_diff_frame": "diff",
    "first_diff_kind": "kind",
}
_CAPTION = "hash, pkt0: different hashes of codes and of first packets; diff, kind: first frame that differs, and how"
_TIMED = {"ttfa_ms": "ttfa", "code_ms": "code", "decode_first_ms": "dec0", "rtf": "rtf", "total_s": "total s"}
_TIMED_CAPTION = "median / 95th percentile / longest of the runs, in ms if not said otherwise"
_STYLES = {"holds": "green", "fails": "bold red", "not judged": "yellow"}


def render(summary: SweepSummary, console: Console) -> None:
    """Conditions with codes and times, what was skipped or failed, the conclusions and the notes, one a line."""
    console.print(_conditions(summary))
    console.print(_times(summary))
    for row in summary.conditions:
        if row.skipped or row.first_error:
            say(console, f"{row.name}: {row.skipped or row.first_error}", "yellow")
    for conclusion in summary.conclusions:
        asked = f"{conclusion.question} {conclusion.expect} — {conclusion.reason}"
        line = Text(message_line(f"{conclusion.outcome}: {asked}"))
        line.stylize(_STYLES[conclusion.outcome], 0, len(conclusion.outcome) + 1)
        console.print(line)
    print_notes(console, summary.notes)


def _conditions(summary: SweepSummary) -> Table:
    found = table(escape(f"{summary.experiment.name}: {summary.experiment.question}"), "condition")
    found.caption, found.caption_justify = _CAPTION, "left"
    # Names are folded where the terminal is narrow, and numbers never.
    for heading in _COLUMNS.values():
        found.add_column(heading, justify="right", no_wrap=True)
    for row in _rows(summary):
        found.add_row(escape(row.name), *(_cell(row, name) for name in _COLUMNS))
    return found


def _times(summary: SweepSummary) -> Table:
    found = table("Times", "condition")
    found.caption, found.caption_justify = _TIMED_CAPTION, "left"
    for heading in _TIMED.values():
        found.add_column(heading, justify="right", no_wrap=True)
    for row in _rows(summary):
        found.add_row(escape(row.name), *(_spread(row, timing) for timing in _TIMED))
    return found


def _rows(summary: SweepSummary) -> list[ConditionRow]:
    return [*summary.conditions, replace(summary.total, name=ALL)]


def _cell(row: ConditionRow, name: str) -> str:
    if name == "frames_most" and row.value("frames_least") != row.value(name):
        return f"{cell(row, 'frames_least')}-{cell(row, name)}"
    return cell(row, name)


def _spread(row: ConditionRow, timing: str) -> str:
    """``157/160/171``; one "–" where the kind of run has no such time."""
    values = [row.value(percentile_name(timing, percent)) for percent in PERCENTILES]
    if all(value is None for value in values):
        return MISSING
    return "/".join(MISSING if value is None else _three_digits(value) for value in values)


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
