"""Progress bars on stderr, where that is a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def steps(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar of ``total`` steps; the function that it yields moves it on by one."""
    with _bar(what, total) as update:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            update(what, done, total)

        yield advance


@contextlib.contextmanager
def items(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar over named items; the function that it yields takes the item, how many are done, and how many there are."""
    with _bar(what, None) as update:
        yield update


@contextlib.contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def update(name: str, done: int, of: int | None) -> None:
            bar.update(task, description=name, completed=done, total=of)

        yield update
