"""What every bench does with its summary: a run folder, a table, the summary, the status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

    from ttsctl.report.summary import Summary

S = TypeVar("S", bound="Summary")


def report_bench(
    summary_model: type[S], measure: Callable[[], S], render: Callable[[S, Console], None], out: Path, as_json: bool
) -> NoReturn:
    """Measure into a run folder, show the table, print the summary and exit with its status."""
    from ttsctl.cli.finish import finish
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary

    # The folder comes first: that it cannot be written is said before the minutes that a bench takes.
    with run_folder(out, summary_model) as run:
        summary = measure()
        write_summary(summary, run.path)
    render(summary, open_console())
    finish(summary, run.home, as_json)
