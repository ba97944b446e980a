"""``ttsctl doctor`` as one call: look, judge, write the summary."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.doctor.installation import check_installation
from ttsctl.doctor.judge_torch import judge_torch
from ttsctl.doctor.load import check_load
from ttsctl.doctor.storage import check_storage
from ttsctl.doctor.summary import DoctorSummary, summarise
from ttsctl.doctor.torch_process import run_checkup
from ttsctl.report.console import table
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import write_summary

COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


def run_doctor(config: Config, out: Path) -> tuple[DoctorSummary, Path | None]:
    """Look at this machine under ``config`` -> the summary, and its run folder; None where none can be written."""
    summary = examine(config, out)
    try:
        with run_folder(out, DoctorSummary) as run:
            write_summary(summary, run.path)
    except InputError as error:
        return summary.model_copy(update={"notes": [*summary.notes, f"no summary.json: {error}"]}), None
    return summary, run.home


def examine(config: Config, out: Path) -> DoctorSummary:
    """Every check, in the order of the table."""
    # Before the look at torch, which loads the machine itself.
    load = check_load()
    checkup = run_checkup(config)
    checks = [*check_installation(), *judge_torch(checkup, config), load, *check_storage(out)]
    return summarise(checks, config, checkup.in_force, collect_provenance())


def render(summary: DoctorSummary, console: Console) -> None:
    """One row a check, and what to do."""
    rows = table("doctor", "check", "status", "found", "what to do", left=4)
    for check in summary.checks:
        colour = COLOURS[check.status]
        rows.add_row(escape(check.name), f"[{colour}]{check.status}[/]", escape(check.found), escape(check.advice))
    console.print(rows)
