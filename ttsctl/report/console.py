"""The console that tables go to (stderr, because stdout holds the summary), and how tables, notes and numbers look.

rich is imported inside the functions, so that a module that only opens a console costs nothing to import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ttsctl.core.printable import printable, shortened

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

# A log has no width of its own; rich would fold tables to 80 columns.
LOG_WIDTH = 160
MISSING = "–"


def open_console() -> Console:
    """As wide as the terminal, or ``LOG_WIDTH`` where there is none. Whatever it prints is printable."""
    from rich.console import Console
    from rich.segment import Segment

    class PrintableConsole(Console):
        def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
            for text, style, control in super().render(*arguments, **options):
                yield Segment(text if control else printable(text), style, control)

    return PrintableConsole(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)


def table(title: str, *columns: str, left: int = 1) -> Table:
    """An empty table: the first ``left`` columns are left-justified (names), the others right-justified (numbers).

    A cell that is too long is folded; one of more than LINE characters loses its middle. ``title``, ``columns`` and
    cells may hold rich markup: escape names of users.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    class PrintableTable(Table):
        def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
            # Here, so that a column is as wide as what it shows.
            shown = (shortened(printable(cell)) if isinstance(cell, str) else cell for cell in cells)
            super().add_row(*shown, **options)

    empty = PrintableTable(title=shortened(printable(title)), title_justify="left", box=SIMPLE_HEAD)
    for position, name in enumerate(columns):
        empty.add_column(name, justify="left" if position < left else "right", overflow="fold")
    return empty


def say(console: Console, line: str, style: str | None = None) -> None:
    """Print one line, without its middle if it is over LINE: no markup, no colours for numbers, no line breaks."""
    console.print(shortened(printable(line)), style=style, markup=False, highlight=False, soft_wrap=True)


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
