"""What ``compare-hash`` reports: its summary and its tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.core.machine import collect_provenance
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import Outcome
from ttsctl.core.provenance import Provenance
from ttsctl.dumps.compare import DumpComparison, DumpFacts, DumpPair, RequestResult, compare_dumps, judge_comparison
from ttsctl.report.console import MISSING, number, print_notes, say, table
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Summary, write_summary

_DEFINED = (
    "codebook",
    "elements_differ",
    "first_diff_between",
    "first_diff_frame",
    "first_packet_hash_unique",
    "frames",
    "frames_differ",
    "groups",
    "hash_unique",
    "kind",
    "packet",
    "sha256",
    "time_s",
)


class CompareSummary(Summary):
    """summary.json of ``compare-hash``. The figures over all are the largest of any request."""

    command: str = "compare-hash"
    equal: bool
    hash_unique: int = Field(ge=1)
    first_packet_hash_unique: int | None
    first_packet_reason: str | None = Field(description="why first_packet_hash_unique is null")
    first_diff_frame: int | None = Field(
        description="the earliest of all pairs; null if all are equal or none is known"
    )
    groups: list[list[str]] = Field(description="dumps with equal codes, request by request")
    pairs: list[DumpPair]
    requests: list[RequestResult]
    dumps: list[DumpFacts]
    unmatched: list[str]


def run_compare_hash(sources: Sequence[Path], packet_tokens: int | None, out: Path) -> tuple[CompareSummary, Path]:
    """Compare dumps, judge, and write the run folder under ``out``. Returns the summary and the folder.

    ``packet_tokens`` None: as the dumps say. InputError for sources that cannot be read, and an unwritable folder.
    """
    comparison = compare_dumps(sources, packet_tokens)
    summary = summarise(comparison, judge_comparison(comparison), collect_provenance())
    with run_folder(out, CompareSummary) as run:
        write_summary(summary, run.path)
    return summary, run.home


def summarise(comparison: DumpComparison, outcome: Outcome, provenance: Provenance) -> CompareSummary:
    """The summary of a comparison that ``judge_comparison`` has judged."""
    firsts = [request.first_packet_hash_unique for request in comparison.requests]
    known = [first for first in firsts if first is not None]
    reasons = [request.reason for request in comparison.requests if request.reason]
    return CompareSummary(
        exit_status=outcome.status,
        headline=outcome.headline,
        config=None,
        config_sha256=None,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=comparison.notes,
        equal=all(pair.equal for pair in comparison.pairs),
        hash_unique=max(request.hash_unique for request in comparison.requests),
        first_packet_hash_unique=max(known) if len(known) == len(firsts) else None,
        first_packet_reason="; ".join(reasons) or None,
        first_diff_frame=min(
            (p.first_diff_frame for p in comparison.pairs if p.first_diff_frame is not None), default=None
        ),
        groups=[group for request in comparison.requests for group in request.groups],
        pairs=comparison.pairs,
        requests=comparison.requests,
        dumps=comparison.dumps,
        unmatched=comparison.unmatched,
    )


def render(summary: CompareSummary, console: Console) -> None:
    """For each request its table of pairs, its hashes and what differs around the codes; then the notes."""
    for request in summary.requests:
        pairs = [pair for pair in summary.pairs if pair.request == request.request]
        console.print(_pairs_table(request, pairs))
        for line in _over_all(request):
            say(console, line)
        for pair in pairs:
            for line in _around(pair):
                say(console, line)
    print_notes(console, [*summary.unmatched, *summary.notes])


def _pairs_table(request: RequestResult, pairs: list[DumpPair]) -> Table:
    folder = _common_folder(request.dumps)
    inside = f" in {folder}" if folder else ""
    title = escape(f"{request.request}: against {_short(request.dumps[0], folder)}{inside}")
    columns = ("dump", "codes", "first difference", "ids differ", "frames differ", "frames")
    rows = table(title, *columns, left=3)
    for pair in pairs:
        verdict = "equal" if pair.equal else f"differ ({pair.kind})" if pair.kind else "differ"
        lengths = f"{pair.len_a}" if pair.len_a == pair.len_b else f"{pair.len_a} / {pair.len_b}"
        counts = (number(pair.elements_differ), number(pair.frames_differ), lengths)
        rows.add_row(escape(_short(pair.b, folder)), verdict, _first_difference(pair), *counts)
    return rows


def _common_folder(labels: list[str]) -> str:
    """The folder that holds all labels; "" for the current folder, or if only some of the paths are absolute."""
    paths = [Path(label) for label in labels]
    if len({path.is_absolute() for path in paths}) > 1:
        return ""
    folder = os.path.commonpath([path.parent for path in paths])
    return "" if folder == "." else folder


def _short(label: str, folder: str) -> str:
    return os.path.relpath(label, folder) if folder else label


def _first_difference(pair: DumpPair) -> str:
    """What is known of the place, such as ``frame 12 (0.96 s), packet 3, codebook 0``; "–" if nothing is."""
    parts = []
    if pair.first_diff_frame is not None:
        parts.append(f"frame {pair.first_diff_frame} ({pair.time_s} s)")
    elif pair.first_diff_between is not None:
        parts.append(f"frame {pair.first_diff_between[0]} to {pair.first_diff_between[1]}")
    if pair.packet is not None:
        parts.append(f"packet {pair.packet}")
    if pair.codebook is not None:
        parts.append(f"codebook {pair.codebook}")
    return ", ".join(parts) or MISSING


def _over_all(request: RequestResult) -> list[str]:
    """How many different hashes the dumps of a request have, and which dumps are equal."""
    first = number(request.first_packet_hash_unique)
    lines = [f"{len(request.dumps)} dumps, hash_unique = {request.hash_unique}, first_packet_hash_unique = {first}"]
    if request.reason:
        lines.append(request.reason)
    if 1 < request.hash_unique < len(request.dumps):
        folder = _common_folder(request.dumps)
        groups = [[_short(label, folder) for label in group] for group in request.groups if len(group) > 1]
        lines += ["equal: " + ", ".join(group) for group in groups]
    return lines


def _around(pair: DumpPair) -> list[str]:
    """What is not known of the codes, and what differs between the requests and the conditions of two dumps."""
    lines = [f"{pair.b}: {pair.reason}"] if pair.reason else []
    if pair.request_differences:
        asked = "; ".join(pair.request_differences)
        lines.append(f"warning: {pair.b} answers another request than {pair.a}: {asked}")
    if pair.condition_differences:
        lines.append(f"{pair.b} against {pair.a}: {'; '.join(pair.condition_differences)}")
    return lines
