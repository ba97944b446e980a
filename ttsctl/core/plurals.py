"""Numbers with their nouns, and lists that stay short."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], most: int = 3, of: int | None = None) -> str:
    """``a, b, c and 1,997 more``: the first ``most`` names, so that a line stays readable however many there are.

    ``of``: how many there are, where ``names`` are only the first of them.
    """
    more = (len(names) if of is None else of) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
