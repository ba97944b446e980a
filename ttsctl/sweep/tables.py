"""The table and the conclusions of a sweep on the terminal."""

from __future__ import annotations

from dataclasses import replace

from ttsctl.report.console import open_console
from ttsctl.sweep.decision_table import ALL, cell
from ttsctl.sweep.summary import SweepSummary

# Short, for 80 columns; metric -> heading.
COLUMNS = {
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
STYLES = {"holds": "green", "fails": "bold red", "not judged": "yellow"}


def render(summary: SweepSummary) -> None:
    """Conditions with their medians, then one line a conclusion, on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    console = open_console()
    title = f"{summary.experiment.name}: {summary.experiment.question}"
    caption = "hash, pkt0: different hashes of codes and of first packets; diff: first frame; times: medians in ms"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD)
    table.add_column("condition", overflow="fold")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in (*summary.conditions, replace(summary.total, name=ALL)):
        table.add_row(Text(row.name), *(cell(row, metric) for metric in COLUMNS))
    console.print(table)
    for row in summary.conditions:
        if row.skipped or row.first_error:
            console.print(Text(f"{row.name}: {row.skipped or row.first_error}", style="yellow"))
    for conclusion in summary.conclusions:
        line = Text(f"{conclusion.outcome}: ", style=STYLES[conclusion.outcome])
        console.print(line.append(f"{conclusion.question} {conclusion.expect} — {conclusion.reason}", style="default"))
    for note in summary.notes:
        console.print(Text(f"note: {note}", style="dim"))
