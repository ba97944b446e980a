"""What ``pop-align`` reports: its summary, its verdict, its label files and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.audio.pop_align import label_text
from ttsctl.core.errors import CannotJudge
from ttsctl.core.files import write_text
from ttsctl.core.metric import definitions_of
from ttsctl.core.provenance import Provenance
from ttsctl.report.summary import Model, Summary

PICTURE = "pops.png"
SHOWN = 20

_DEFINED = (
    "a_to_b",
    "b_to_a",
    "chance",
    "corrected_a_to_b",
    "corrected_b_to_a",
    "lag_jumps",
    "pop_click_score",
    "pops_s",
    "spikes_s",
)


class PopRow(Model):
    """One pop; see ``audio.pops.detector.Pop``."""

    time_s: float
    sample: int
    kind: str | None
    strength_db: float
    confidence: float


class SeamRow(Model):
    """One periodic grid of seams; see ``audio.pops.detector.SeamGrid``."""

    period_samples: int
    phase_samples: int
    period_s: float
    hits: int
    points: int
    log10_chance: float


class Recording(Model):
    """One audio file and the pops in it, times in seconds."""

    path: str
    sample_rate: int
    duration_s: float
    pop_click_score: float | None = Field(description="null for audio of fewer than two 20-ms frames")
    pops_per_minute: float | None
    pops_s: list[float]
    pops: list[PopRow]
    seams: list[SeamRow]
    spikes_s: list[float]
    notes: list[str]


class LagJumpRow(Model):
    """At ``time_s`` of A (``time_b_s`` of B) B lost (``samples`` < 0) or gained samples."""

    time_s: float
    samples: int
    time_b_s: float


class AlignmentRow(Model):
    """Pops of A against those of B; see ``audio.pop_alignment.Alignment``."""

    tolerance_ms: float
    a_to_b: float | None = Field(description="null if A has no pops")
    b_to_a: float | None = Field(description="null if B has no pops")
    chance: float | None
    chance_b_to_a: float | None
    corrected_a_to_b: float | None = Field(description="null with a reason if the two do not align or A has no pops")
    corrected_b_to_a: float | None
    lag_jumps: list[LagJumpRow]
    alignable: bool
    coverage: float
    initial_lag: int | None
    matches: list[list[float]]
    reason: str | None
    notes: list[str]


class PopAlignSummary(Summary):
    """summary.json of ``pop-align``."""

    command: str = "pop-align"
    a: Recording
    b: Recording | None
    alignment: AlignmentRow | None
    labels: list[str] = Field(description="label files beside this summary, for an audio editor")
    picture: str = PICTURE


def judge(result: dict[str, Any], max_pops: int | None, min_align: float | None) -> tuple[int, list[str]]:
    """``popalign.pop_align``'s result against the limits asked for -> (exit status, what is not met).

    ``max_pops`` holds for each recording, ``min_align`` for both directions after the correction. CannotJudge if an
    alignment is asked for where neither has a pop.
    """
    failed = []
    for name in ("a", "b"):
        count = len(result[name]["pops"]) if result[name] else 0
        if max_pops is not None and count > max_pops:
            failed.append(f"{name.upper()} has {count} pops, at most {max_pops} allowed")
    if min_align is not None:
        failed += _misaligned(result["alignment"], min_align)
    return int(bool(failed)), failed


def _misaligned(alignment: dict[str, Any], least: float) -> list[str]:
    if not alignment["alignable"]:
        return [alignment["reason"]]
    values = {"A to B": alignment["corrected_a_to_b"], "B to A": alignment["corrected_b_to_a"]}
    if all(value is None for value in values.values()):
        raise CannotJudge("--min-align: neither recording has a pop", "nothing can be aligned; leave --min-align out")
    # With pops on one side only, the other side's share is missing and this one's is 0.
    return [
        f"{name} {value:.0%} of the pops align, {least:.0%} needed"
        for name, value in values.items()
        if value is not None and value < least
    ]


def label_names(result: dict[str, Any]) -> dict[str, str]:
    """``a`` and, if it is there, ``b`` -> ``pops_<stem>.txt``; with ``_a`` and ``_b`` where the stems are one."""
    stems = {name: Path(result[name]["path"]).stem for name in ("a", "b") if result[name]}
    if len(set(stems.values())) < len(stems):
        stems = {name: f"{stem}_{name}" for name, stem in stems.items()}
    return {name: f"pops_{stem}.txt" for name, stem in stems.items()}


def write_labels(result: dict[str, Any], folder: Path) -> None:
    """One label file a recording, in Audacity's format."""
    for name, file in label_names(result).items():
        write_text(folder / file, label_text(result[name]))


def summarise(result: dict[str, Any], status: int, failed: list[str], provenance: Provenance) -> PopAlignSummary:
    """The summary of a judged result."""
    return PopAlignSummary(
        exit_status=status,
        headline="; ".join(failed) or _headline(result),
        config=None,
        config_sha256=None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=_notes(result),
        a=Recording(**result["a"]),
        b=Recording(**result["b"]) if result["b"] else None,
        alignment=AlignmentRow(**result["alignment"]) if result["alignment"] else None,
        labels=list(label_names(result).values()),
    )


def _notes(result: dict[str, Any]) -> list[str]:
    parts = [("A", result["a"]), ("B", result["b"]), ("alignment", result["alignment"])]
    notes = [f"{name}: {note}" for name, part in parts if part for note in part["notes"]]
    alignment = result["alignment"]
    return [*notes, alignment["reason"]] if alignment and alignment["reason"] else notes


def _headline(result: dict[str, Any]) -> str:
    pops = ", ".join(f"{name.upper()} {len(result[name]['pops'])} pops" for name in ("a", "b") if result[name])
    alignment = result["alignment"]
    if alignment is None:
        return pops
    if not alignment["alignable"]:
        return f"{pops}; {alignment['reason']}"
    shares = [share(alignment[key]) for key in ("corrected_a_to_b", "corrected_b_to_a")]
    jumps = len(alignment["lag_jumps"])
    return f"{pops}; aligned A to B {shares[0]}, B to A {shares[1]}, {jumps} lag jump{'s' * (jumps != 1)}"


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def render(summary: PopAlignSummary, console: Console) -> None:
    """The recordings, their alignment, the jumps of the lag, and the notes."""
    console.print(_recordings(summary))
    if summary.alignment:
        console.print(_alignment(summary.alignment))
        if summary.alignment.lag_jumps:
            console.print(_jumps(summary.alignment.lag_jumps))
    for note in summary.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _recordings(summary: PopAlignSummary) -> Table:
    table = _table("pops", "recording", "seconds", "Hz", "pops", "a minute", "kinds", "pop_click_score", "spikes")
    for name, found in (("A", summary.a), ("B", summary.b)):
        if found is None:
            continue
        kinds = [pop.kind or "other" for pop in found.pops]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        minute = "–" if found.pops_per_minute is None else f"{found.pops_per_minute:.1f}"
        score = "–" if found.pop_click_score is None else f"{found.pop_click_score:.5f}"
        label = escape(f"{name} {Path(found.path).name}")
        numbers = (f"{found.duration_s:.2f}", str(found.sample_rate), str(len(found.pops)), minute)
        table.add_row(label, *numbers, counts or "–", score, str(len(found.spikes_s)))
    return table


def _alignment(found: AlignmentRow) -> Table:
    table = _table(f"alignment within {found.tolerance_ms:g} ms", "direction", "raw", "by chance", "corrected")
    table.add_row("A to B", share(found.a_to_b), share(found.chance), share(found.corrected_a_to_b))
    table.add_row("B to A", share(found.b_to_a), share(found.chance_b_to_a), share(found.corrected_b_to_a))
    return table


def _jumps(jumps: list[LagJumpRow]) -> Table:
    more = f", the first {SHOWN} of {len(jumps)}" if len(jumps) > SHOWN else ""
    table = _table(f"where B lost or gained samples{more}", "time in A (s)", "time in B (s)", "samples")
    for jump in jumps[:SHOWN]:
        table.add_row(f"{jump.time_s:.4f}", f"{jump.time_b_s:.4f}", f"{jump.samples:+d}")
    return table
