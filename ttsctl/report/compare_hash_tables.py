"""The tables of ``compare-hash`` on the console: short, however many dumps there are; the summary has them all."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.core.plurals import listed
from ttsctl.dumps.compare import DumpPair, RequestResult
from ttsctl.report.compare_hash import CompareSummary
from ttsctl.report.console import MISSING, number, print_notes, say, table

# Rows that a reader still takes in.
MAX_ROWS = 20


def render(summary: CompareSummary, console: Console) -> None:
    """The prompts that differ; for each request its groups of equal dumps, its pairs, its hashes and what differs
    around the codes; then notes.

    Of more than ``MAX_ROWS`` requests or pairs only so many are shown, those that differ first.
    """
    pairs: dict[str, list[DumpPair]] = {}
    for pair in summary.pairs:
        pairs.setdefault(pair.request, []).append(pair)
    hashes = {dump.label: dump.sha256 for dump in summary.dumps}
    _render_prompts(summary.pairs, console)
    if len(summary.requests) > MAX_ROWS:
        _render_requests(summary.requests, pairs, console)
    else:
        for request in summary.requests:
            _render_request(request, pairs.get(request.request, []), hashes, console)
    notes = [*summary.unmatched, *summary.notes]
    print_notes(console, notes[:MAX_ROWS])
    _say_more(console, len(notes), "notes")


def _render_prompts(pairs: list[DumpPair], console: Console) -> None:
    """Before anything else, whose cloned voices were made of something else."""
    other = [pair for pair in pairs if pair.prompt_differences]
    for pair in other[:MAX_ROWS]:
        differ = "; ".join(pair.prompt_differences or ())
        say(console, f"warning: {pair.b} speaks from another prompt than {pair.a}: {differ}")
    _say_more(console, len(other), "pairs with other prompts")


def _render_request(request: RequestResult, pairs: list[DumpPair], hashes: dict[str, str], console: Console) -> None:
    if len(request.dumps) > 2:
        console.print(_groups_table(request, hashes))
        _say_more(console, len(request.groups), "groups")
    shown = _differing_first(pairs)
    console.print(_pairs_table(request, shown))
    _say_more(console, len(pairs), "pairs")
    say(console, _over_all(request))
    if request.reason:
        say(console, request.reason)
    for pair in shown:
        for line in _around(pair):
            say(console, line)


def _render_requests(requests: list[RequestResult], pairs: dict[str, list[DumpPair]], console: Console) -> None:
    """One row a request instead of one table."""
    rows = table("Requests", "request", "dumps", "hash_unique", "first packet", "differ", "first difference", left=1)
    for request in sorted(requests, key=lambda one: one.hash_unique == 1)[:MAX_ROWS]:
        differing = [pair for pair in pairs.get(request.request, []) if not pair.equal]
        first = min(differing, key=_place) if differing else None
        rows.add_row(
            escape(request.request),
            str(len(request.dumps)),
            str(request.hash_unique),
            number(request.first_packet_hash_unique),
            str(len(differing)),
            _first_difference(first) if first else MISSING,
        )
    console.print(rows)
    _say_more(console, len(requests), "requests")


def _say_more(console: Console, count: int, what: str) -> None:
    if count > MAX_ROWS:
        say(console, f"and {count - MAX_ROWS:,} more {what}: the summary has all {count:,}")


def _differing_first(pairs: list[DumpPair]) -> list[DumpPair]:
    """All pairs in their order or, of too many, those to show."""
    return pairs if len(pairs) <= MAX_ROWS else sorted(pairs, key=lambda pair: pair.equal)[:MAX_ROWS]


def _place(pair: DumpPair) -> int:
    """The first frame that may differ; behind all others where none is known."""
    between = pair.first_diff_between
    known = pair.first_diff_frame if pair.first_diff_frame is not None else between[0] if between else None
    return known if known is not None else max(pair.len_a, pair.len_b)


def _groups_table(request: RequestResult, hashes: dict[str, str]) -> Table:
    folder = _common_folder(request.dumps)
    rows = table(escape(f"{request.request}: groups of equal codes"), "sha256", "dumps", "which")
    for group in request.groups[:MAX_ROWS]:
        names = [_short(label, folder) for label in group[:3]]
        rows.add_row(hashes[group[0]][:12], str(len(group)), escape(listed(names, 3, of=len(group))))
    return rows


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


def _over_all(request: RequestResult) -> str:
    """How many different hashes the dumps of a request have."""
    first = number(request.first_packet_hash_unique)
    return f"{len(request.dumps)} dumps, hash_unique = {request.hash_unique}, first_packet_hash_unique = {first}"


def _around(pair: DumpPair) -> list[str]:
    """What is not known of the codes, and what differs between the requests and the conditions of two dumps."""
    lines = [f"{pair.b}: {pair.reason}"] if pair.reason else []
    if pair.request_differences:
        asked = "; ".join(pair.request_differences)
        lines.append(f"warning: {pair.b} answers another request than {pair.a}: {asked}")
    if pair.condition_differences:
        lines.append(f"{pair.b} against {pair.a}: {'; '.join(pair.condition_differences)}")
    return lines
