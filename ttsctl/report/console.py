"""The console that tables go to (stderr, because stdout holds the summary), and how tables, notes and numbers look.

rich is imported inside the functions, so that a module that only opens a console costs nothing to import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# A log has no width of its own; rich would fold tables to 80 columns.
LOG_WIDTH = 160
MISSING = "–"


def open_console() -> Console:
    """As wide as the terminal, or ``LOG_WIDTH`` where there is none."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)


def table(title: str, *columns: str, left: int = 1) -> Table:
    """An empty table: the first ``left`` columns are left-justified (names), the others right-justified (numbers).

    A cell that is too long is folded, never cut. ``title`` and ``columns`` may hold rich markup: escape names of users.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    empty = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for position, name in enumerate(columns):
        empty.add_column(name, justify="left" if position < left else "right", overflow="fold")
    return empty


def say(console: Console, line: str) -> None:
    """Print one line as it is: no markup, no colours for numbers, no line breaks of rich's own."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_notes(console: Console, notes: Iterable[str]) -> None:
    """Print each note on a line of its own, after ``note: ``."""
    for note in notes:
        say(console, f"note: {note}")


def number(value: float | None, spec: str = "") -> str:
    """``value`` in the format ``spec``, such as ``.1f``; "–" if it is missing."""
    return MISSING if value is None else format(value, spec)


def share(value: float | None) -> str:
    """A share from 0 to 1 in per cent, such as ``40%``; "–" if it is missing."""
    return number(value, ".0%")
