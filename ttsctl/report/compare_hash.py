"""What ``compare-hash`` reports: its summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ttsctl.core.machine import collect_provenance
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import Outcome
from ttsctl.core.provenance import Provenance
from ttsctl.dumps.compare import DumpComparison, DumpFacts, DumpPair, RequestResult, compare_dumps, judge_comparison
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
