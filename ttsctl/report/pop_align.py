"""What ``pop-align`` reports: its summary, its verdict, its label files and its tables."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, Field
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.audio.lpc import WINDOW_S
from ttsctl.audio.overview import Outline, overview_of
from ttsctl.audio.pop_alignment import (
    PopAlignment,
    PopComparison,
    Recording,
    TimedLagJump,
    compare_pops,
    label_text,
    pops_by_channel,
    search_pops,
)
from ttsctl.audio.pops.detector import UNCLEAR
from ttsctl.audio.wav import open_audio
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.files import write_text
from ttsctl.core.machine import collect_provenance
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.core.provenance import Provenance
from ttsctl.core.same_file import compared_with_itself, same_file
from ttsctl.report.console import MISSING, number, print_notes, share, table
from ttsctl.report.pictures import draw_pops
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Summary, write_summary

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


class PopAlignSummary(Summary):
    """summary.json of ``pop-align``."""

    # Dataclasses are checked like models: NaN and infinity are refused in them too.
    model_config = ConfigDict(revalidate_instances="always")

    command: str = "pop-align"
    a: Recording
    b: Recording | None
    alignment: PopAlignment | None
    labels: list[str] = Field(description="label files beside this summary, for an audio editor")
    picture: str = PICTURE


@dataclass(frozen=True)
class PopAlignOptions:
    """What the command line asks for: recording ``a``, ``b`` to align it with, and limits that turn it into a gate."""

    a: Path
    b: Path | None = None
    tolerance_ms: float = 2.0
    max_pops: int | None = None
    min_align: float | None = None


def run_pop_align(options: PopAlignOptions, out: Path) -> tuple[PopAlignSummary, Path]:
    """Find and align pops, judge, and write labels, picture and summary under ``out``. Returns summary and folder.

    InputError for options that do not go together and for audio that cannot be read; CannotJudge for a recording
    against itself, and as ``judge_pops``.
    """
    _check_options(options)
    if options.b and same_file(options.a, options.b):
        raise compared_with_itself(options.a, options.b)
    found, outlines = _compare_files(options)
    summary = summarise(found, judge_pops(found, options.max_pops, options.min_align), collect_provenance())
    with run_folder(out, PopAlignSummary) as run:
        write_labels(found, run.path)
        draw_pops(run.path / PICTURE, found, *outlines)
        write_summary(summary, run.path)
    return summary, run.home


def _compare_files(options: PopAlignOptions) -> tuple[PopComparison, list[Outline]]:
    """The comparison, and the outline of each recording. All files are read once before any is searched: a bad one is
    then found at once."""
    with ExitStack() as stack:
        sounds = [stack.enter_context(open_audio(path)) for path in (options.a, options.b) if path is not None]
        overviews = [overview_of(sound) for sound in sounds]
        searched = [search_pops(sound, overview) for sound, overview in zip(sounds, overviews, strict=True)]
        found = compare_pops(searched[0], searched[1] if options.b else None, options.tolerance_ms / 1000)
        return found, [overview.outline for overview in overviews]


def _check_options(options: PopAlignOptions) -> None:
    tolerance_ms, min_align = options.tolerance_ms, options.min_align
    if not (math.isfinite(tolerance_ms) and tolerance_ms > 0):
        raise InputError(f"--tolerance-ms: expected a time above 0, got {tolerance_ms:g}", "2 ms is the default")
    if min_align is not None and math.isnan(min_align):
        raise InputError("--min-align: expected a share from 0 to 1, got nan", "0.9 asks for nine of ten pops")
    if min_align is not None and options.b is None:
        raise InputError("--min-align: expected two recordings, got one", "name B.wav too")


def judge_pops(found: PopComparison, max_pops: int | None, min_align: float | None) -> Outcome:
    """Hold a comparison against the limits asked for; the headline says what is not met, else what was found.

    ``max_pops`` holds for each recording, ``min_align`` for both directions after the lag correction. CannotJudge if
    an alignment is asked for and neither recording has a pop.
    """
    failed = []
    if max_pops is not None:
        _check_searched(found)
        failed = [
            f"{name} has {len(recording.pops)} pops, at most {max_pops} allowed"
            for name, recording in found.recordings
            if len(recording.pops) > max_pops
        ]
    if min_align is not None and found.alignment is not None:
        failed += _misaligned(found.alignment, min_align)
    if failed:
        return Outcome(ExitStatus.FAILS, "; ".join(failed))
    return Outcome(ExitStatus.HOLDS, _headline(found))


def _check_searched(found: PopComparison) -> None:
    """CannotJudge if a recording is too short to be searched, or holds no sound: then no pops say nothing about it."""
    short = [name for name, recording in found.recordings if recording.duration_s < WINDOW_S]
    if short:
        what = f"--max-pops: {' and '.join(short)} shorter than the {1000 * WINDOW_S:.0f} ms that a search needs"
        raise CannotJudge(what, "pass a longer recording")
    # Only audio that is constant in every channel has no step at all.
    silent = [name for name, recording in found.recordings if not recording.spikes_s]
    if silent:
        raise CannotJudge(f"--max-pops: {' and '.join(silent)} without any sound", "pass a recording of speech")


def _misaligned(alignment: PopAlignment, least: float) -> list[str]:
    if alignment.reason is not None and not alignment.alignable:
        return [alignment.reason]
    values = {"A to B": alignment.corrected_a_to_b, "B to A": alignment.corrected_b_to_a}
    if all(value is None for value in values.values()):
        raise CannotJudge("--min-align: neither recording has a pop", "nothing can be aligned; leave --min-align out")
    # If one recording has no pops, its own share is missing and that of the other recording is 0.
    return [
        f"{name} {value:.0%} of the pops align, {least:.0%} needed"
        for name, value in values.items()
        if value is not None and value < least
    ]


def label_files(found: PopComparison) -> dict[str, Recording]:
    """``pops_<stem>.txt`` -> the recording that it labels; ``_a`` and ``_b`` tell two files of one stem apart."""
    stems = {name: Path(recording.path).stem for name, recording in found.recordings}
    if len(set(stems.values())) < len(stems):
        stems = {name: f"{stem}_{name.lower()}" for name, stem in stems.items()}
    return {f"pops_{stems[name]}.txt": recording for name, recording in found.recordings}


def write_labels(found: PopComparison, folder: Path) -> None:
    """One label file a recording, in Audacity's format."""
    for file, recording in label_files(found).items():
        write_text(folder / file, label_text(recording))


def summarise(found: PopComparison, outcome: Outcome, provenance: Provenance) -> PopAlignSummary:
    """The summary of a comparison that ``judge_pops`` has judged."""
    return PopAlignSummary(
        exit_status=outcome.status,
        headline=outcome.headline,
        config=None,
        config_sha256=None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=_notes(found),
        a=found.a,
        b=found.b,
        alignment=found.alignment,
        labels=list(label_files(found)),
    )


def _notes(found: PopComparison) -> list[str]:
    notes = [f"{name}: {note}" for name, recording in found.recordings for note in recording.notes]
    if found.alignment is None:
        return notes
    notes += [f"alignment: {note}" for note in found.alignment.notes]
    return [*notes, found.alignment.reason] if found.alignment.reason else notes


def _headline(found: PopComparison) -> str:
    pops = ", ".join(f"{name} {len(recording.pops)} pops" for name, recording in found.recordings)
    alignment = found.alignment
    if alignment is None:
        return pops
    if not alignment.alignable:
        return f"{pops}; {alignment.reason}"
    a_to_b, b_to_a = share(alignment.corrected_a_to_b), share(alignment.corrected_b_to_a)
    return f"{pops}; aligned A to B {a_to_b}, B to A {b_to_a}, {counted(len(alignment.lag_jumps), 'lag jump')}"


def render(summary: PopAlignSummary, console: Console) -> None:
    """The recordings, their alignment, the jumps of the lag, and the notes."""
    console.print(_recordings(summary))
    if summary.alignment:
        console.print(_alignment(summary.alignment))
        if summary.alignment.lag_jumps:
            console.print(_jumps(summary.alignment.lag_jumps))
    print_notes(console, summary.notes)


def _recordings(summary: PopAlignSummary) -> Table:
    columns = ("recording", "seconds", "Hz", "pops", "by channel", "a minute", "kinds", "pop_click_score", "spikes")
    rows = table("pops", *columns)
    for name, found in (("A", summary.a), ("B", summary.b)):
        if found is None:
            continue
        kinds = [pop.kind or UNCLEAR for pop in found.pops]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        rows.add_row(
            escape(f"{name} {Path(found.path).name}"),
            number(found.duration_s, ".2f"),
            number(found.sample_rate),
            number(len(found.pops)),
            ", ".join(map(str, pops_by_channel(found))),
            number(found.pops_per_minute, ".1f"),
            counts or MISSING,
            number(found.pop_click_score, ".5f"),
            number(len(found.spikes_s)),
        )
    return rows


def _alignment(found: PopAlignment) -> Table:
    rows = table(f"alignment within {found.tolerance_ms:g} ms", "direction", "raw", "by chance", "corrected")
    rows.add_row("A to B", share(found.a_to_b), share(found.chance), share(found.corrected_a_to_b))
    rows.add_row("B to A", share(found.b_to_a), share(found.chance_b_to_a), share(found.corrected_b_to_a))
    return rows


def _jumps(jumps: tuple[TimedLagJump, ...]) -> Table:
    more = f", the first {SHOWN} of {len(jumps)}" if len(jumps) > SHOWN else ""
    rows = table(f"where B lost or gained samples{more}", "time in A (s)", "time in B (s)", "samples")
    for jump in jumps[:SHOWN]:
        rows.add_row(f"{jump.time_s:.4f}", f"{jump.time_b_s:.4f}", f"{jump.samples:+d}")
    return rows
