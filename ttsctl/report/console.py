"""The console that tables go to: stderr, for stdout is the summary's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# A log has no width of its own; rich would fold tables to 80 columns.
LOG_WIDTH = 160


def open_console() -> Console:
    """As wide as the terminal, or ``LOG_WIDTH`` where there is none."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else LOG_WIDTH)
