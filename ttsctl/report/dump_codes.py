"""What ``dump-codes`` reports."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ttsctl.core.engine import Engine
from ttsctl.core.metric import definitions_of
from ttsctl.core.plurals import counted
from ttsctl.dumps.meta import DumpMeta
from ttsctl.report.console import open_console
from ttsctl.report.summary import Model, Summary, provenance_dict
from ttsctl.runs.speak import Dumped

_DEFINED = (
    "first_packet_hash_unique",
    "frames",
    "hash_unique",
    "max_code",
    "min_code",
    "out_of_range_count",
    "sha256",
    "truncated",
)


class RequestDumps(Model):
    """All runs of one text."""

    text_id: str | None
    text_sha256: str
    runs: int = Field(ge=1)
    hash_unique: int = Field(ge=1)
    first_packet_hash_unique: int = Field(ge=1)
    frames: list[int]
    truncated: int = Field(description="runs that hit the cap")
    out_of_range_count: int
    tags: list[str]
    sha256: list[str]


class DumpSummary(Summary):
    """summary.json of ``dump-codes``; ``hash_unique`` is the largest of any text."""

    command: str = "dump-codes"
    runs: int
    hash_unique: int
    requests: list[RequestDumps]
    files: list[str]


def summarise(engine: Engine, recorded: Sequence[Sequence[Dumped]], runs: int) -> DumpSummary:
    """The summary of recorded runs: status 1 if any text gave more than one hash."""
    requests = [_request([dump.meta for dump in dumps]) for dumps in recorded]
    drifted = [r for r in requests if r.hash_unique > 1]
    worst = max(r.hash_unique for r in requests)
    if drifted:
        result = f"DRIFT in {len(drifted)} of {counted(len(requests), 'text')}, hash_unique up to {worst}"
    elif runs == 1:
        result = "one run a text, which says nothing about drift"
    else:
        result = f"hash_unique 1 in {runs} runs"
    return DumpSummary(
        exit_status=1 if drifted else 0,
        headline=f"{counted(len(requests), 'text')} × {counted(runs, 'run')} dumped: {result}",
        config=engine.config.to_dict(),
        config_sha256=engine.config.sha256,
        in_force=dict(engine.info.in_force),
        provenance=provenance_dict(engine.info.provenance),
        definitions=definitions_of(*_DEFINED),
        runs=runs,
        hash_unique=worst,
        requests=requests,
        files=["manifest.json", *(name for dumps in recorded for dump in dumps for name in dump.files)],
    )


def _request(metas: Sequence[DumpMeta]) -> RequestDumps:
    return RequestDumps(
        text_id=metas[0].text_id,
        text_sha256=metas[0].text_sha256,
        runs=len(metas),
        hash_unique=len({m.sha256 for m in metas}),
        first_packet_hash_unique=len({m.first_packet_sha256 for m in metas}),
        frames=[m.frames for m in metas],
        truncated=sum(m.truncated for m in metas),
        out_of_range_count=sum(m.out_of_range_count for m in metas),
        tags=[m.tag for m in metas],
        sha256=[m.sha256 for m in metas],
    )


def render(summary: DumpSummary) -> None:
    """One row a text on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns = ("text", "runs", "frames", "hash_unique", "first packet", "sha256")
    table = Table(*columns, title="dump-codes", title_justify="left", box=SIMPLE_HEAD)
    for request in summary.requests:
        frames = "/".join(str(n) for n in sorted(set(request.frames)))
        name = request.text_id or request.text_sha256[:8]
        cells = (request.runs, frames, request.hash_unique, request.first_packet_hash_unique)
        table.add_row(name, *(str(cell) for cell in cells), request.sha256[0][:16] + "…")
    open_console().print(table)
