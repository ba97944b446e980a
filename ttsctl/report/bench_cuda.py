"""What ``bench cuda`` reports: its summary, its status and its tables."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ttsctl.core.config import Config
from ttsctl.core.cuda_results import CudaBench, CudaCheck, CudaFigure
from ttsctl.core.metric import definitions_of
from ttsctl.core.plurals import counted
from ttsctl.report.console import print_notes
from ttsctl.report.summary import Summary

_DEFINED = ("ttfp_ms", "ttf_ms", "ttfa_ms", "rtf", "wall_rtf", "frame_ms")
_STYLES = {"pass": "green", "fail": "red", "skipped": "yellow"}


class BenchCudaSummary(Summary):
    """summary.json of ``bench cuda``: every check with what it found, every figure with its setup."""

    command: str = "bench-cuda"
    device: str
    simulated: bool
    checks: tuple[CudaCheck, ...]
    figures: tuple[CudaFigure, ...]


def judge_checks(checks: tuple[CudaCheck, ...]) -> int:
    """The exit status: 1 if a check failed, 3 if none could be made, else 0."""
    outcomes = {check.outcome for check in checks}
    return 1 if "fail" in outcomes else 0 if "pass" in outcomes else 3


def summarise_cuda(result: CudaBench, config: Config) -> BenchCudaSummary:
    """The summary of a bench that ran under ``config``."""
    return BenchCudaSummary(
        exit_status=judge_checks(result.checks),
        headline=_headline(result),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=result.in_force,
        provenance=result.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        device=result.device,
        simulated=result.simulated,
        checks=result.checks,
        figures=result.figures,
        notes=_notes(result),
    )


def render_cuda(summary: BenchCudaSummary, console: Console) -> None:
    """A table of the checks and, if there are any, one of the figures."""
    checks = Table(title=f"Checks on {summary.device}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("check", "size", "outcome", "found"):
        checks.add_column(name)
    checks.add_column("s", justify="right")
    for check in summary.checks:
        style = _STYLES[check.outcome]
        outcome = f"[{style}]{check.outcome}[/{style}]"
        checks.add_row(check.name, check.size or "–", outcome, _plain(check.found), f"{check.seconds:.1f}")
    console.print(checks)
    if summary.figures:
        figures = Table(title="Figures", title_justify="left", box=SIMPLE_HEAD)
        for name in ("figure", "size", "setup"):
            figures.add_column(name)
        for name in ("median", "p95", "aim", "unit"):
            figures.add_column(name, justify="right")
        for figure in summary.figures:
            figures.add_row(figure.name, figure.size, figure.setup, *_numbers(figure), figure.unit)
        console.print(figures)
    print_notes(console, summary.notes)


def _numbers(figure: CudaFigure) -> tuple[str, str, str]:
    return tuple("–" if v is None else f"{v:.4g}" for v in (figure.value, figure.p95, figure.limit))  # type: ignore[return-value]


def _plain(text: str) -> str:
    """What an error says must not be taken for markup."""
    return text.replace("[", "\\[")


def _headline(result: CudaBench) -> str:
    counts = {outcome: sum(c.outcome == outcome for c in result.checks) for outcome in ("pass", "fail", "skipped")}
    said = f"{counted(len(result.checks), 'check')} on {result.device}: {counts['pass']} hold"
    said += f", {counts['fail']} failed" if counts["fail"] else ""
    said += f", {counts['skipped']} skipped" if counts["skipped"] else ""
    missed = [figure for figure in result.figures if figure.reached is False]
    aimed = [figure for figure in result.figures if figure.limit is not None]
    return said + (f"; {len(aimed) - len(missed)} of {counted(len(aimed), 'aim')} reached" if aimed else "")


def _notes(result: CudaBench) -> list[str]:
    """What did not hold, what was left out, and what the times do not show."""
    notes = [f"{check.name}{f', {check.size}' if check.size else ''}: {check.found}" for check in result.checks]
    wanted = [note for note, check in zip(notes, result.checks, strict=True) if check.outcome != "pass"]
    if result.simulated:
        wanted.append("a simulated device: it checks order and memory, and says nothing of times or of kernels")
    return wanted
