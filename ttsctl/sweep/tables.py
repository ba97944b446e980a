"""The table and the conclusions of a sweep on the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ttsctl.core.printable import message_line
from ttsctl.report.console import print_notes, say, table
from ttsctl.sweep.decision_table import ALL, cell
from ttsctl.sweep.summary import SweepSummary

if TYPE_CHECKING:
    from rich.console import Console

# Metric -> heading, short enough for 80 columns.
_COLUMNS = {
    "runs": "runs",
    "errors": "fail",
    "hash_unique": "hash",
    "first_packet_hash_unique": "pkt0",
    "first_diff_frame": "diff",
    "ttfa_p50_ms": "ttfa",
    "code_p50_ms": "code",
    "decode_first_p50_ms": "dec0",
    "rtf_p50": "rtf",
}
_CAPTION = "hash, pkt0: different hashes of codes and of first packets; diff: first frame; times: medians in ms"
_STYLES = {"holds": "green", "fails": "bold red", "not judged": "yellow"}


def render(summary: SweepSummary, console: Console) -> None:
    """Conditions with their medians, then what was skipped or failed, the conclusions and the notes, one a line."""
    console.print(_conditions(summary))
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
    for row in (*summary.conditions, replace(summary.total, name=ALL)):
        found.add_row(escape(row.name), *(cell(row, metric) for metric in _COLUMNS))
    return found
