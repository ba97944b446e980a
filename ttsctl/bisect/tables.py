"""A bisection for people: its table of probes, its causes and its notes on the console."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.bisect.judge import value_words
from ttsctl.bisect.summary import BisectSummary
from ttsctl.report.console import number, print_notes, say, table

_FIGURES = ("probe", "runs", "hash_unique", "first_diff_frame", "s")
_WORDS = ("verdict", "configuration")


def render(summary: BisectSummary, console: Console) -> None:
    """The probes in order, the causes with both values of each key, the environment and the notes."""
    if summary.probes:
        console.print(_probes_table(summary))
    for position, cause in enumerate(summary.causes, start=1):
        say(console, f"cause {position}, proven by probe {cause.probe}:")
        for toggle in cause.keys:
            say(console, f"  {toggle.key}: A {value_words(toggle.a)}, B {value_words(toggle.b)}")
    for line in summary.environment:
        say(console, f"environment, not toggled: {line}")
    print_notes(console, summary.notes)


def _probes_table(summary: BisectSummary) -> Table:
    differ = "1 key differs" if len(summary.keys) == 1 else f"{len(summary.keys)} keys differ"
    title = f"bisect for {'drift' if summary.symptom == 'drift' else 'other codes'}: {differ}"
    probes = table(title, *_FIGURES, *_WORDS, left=0)
    # Here the words come last, after the figures.
    for column in probes.columns[len(_FIGURES) :]:
        column.justify = "left"
    for row in summary.probes:
        figures = (row.number, row.runs, row.hash_unique, row.first_diff_frame)
        cells = (*(number(figure) for figure in figures), number(row.seconds, ".1f"))
        probes.add_row(*cells, row.verdict, escape(row.name))
    return probes
