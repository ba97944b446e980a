"""``dump-codes``: texts spoken N times each into a run folder, and what is reported of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.core.request import Request
from ttsctl.core.stalls import LEAST_SIBLINGS, StalledRun
from ttsctl.core.voice_prompt import PromptUse
from ttsctl.dumps.diff import DiffKind, earliest_difference
from ttsctl.dumps.manifest import write_manifest
from ttsctl.report.console import number, print_notes, say, table
from ttsctl.report.prompt_lines import PROMPT, PROMPT_TIMES, prompt_cells
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Model, Summary, write_summary
from ttsctl.report.time_spread import TimeSpread, spread_words, time_spread
from ttsctl.runs import engines
from ttsctl.runs.run_stalls import stalls_of_runs
from ttsctl.runs.speak import Advance, WrittenDump, dump_runs

if TYPE_CHECKING:
    from rich.console import Console

_DEFINED = (
    "code_ms",
    "decode_ms",
    "first_diff_frame",
    "first_packet_hash_unique",
    "frames",
    "hash_unique",
    "max_code",
    "min_code",
    "out_of_range_count",
    "prime_ms",
    "prompt_ms",
    "rtf",
    "sha256",
    "stalls",
    "total_s",
    "truncated",
    "ttfa_ms",
    "wall_rtf",
)
# The times of the summary; those of ``_SHOWN`` are in the table.
_TIMES = ("ttfa_ms", "code_ms", "decode_ms", "total_s", "rtf", "wall_rtf")
_SHOWN = ("ttfa_ms", "code_ms", "total_s", "rtf")


class RequestDumps(Model):
    """All runs of one text."""

    text_id: str | None
    text_sha256: str
    runs: Annotated[int, Field(ge=1)]
    hash_unique: Annotated[int, Field(ge=1)]
    first_packet_hash_unique: Annotated[int, Field(ge=1)]
    first_diff_frame: Annotated[int | None, Field(description="earliest of all runs against the first")]
    first_diff_kind: DiffKind | None
    first_diff_reason: Annotated[str | None, Field(description="why first_diff_frame is null")]
    frames: list[int]
    truncated: Annotated[int, Field(description="runs that hit the cap")]
    out_of_range_count: int
    clamped: Annotated[int, Field(description="most ids of a run that determinism.clamp_codes moved into range")]
    tags: list[str]
    sha256: list[str]
    prompt: Annotated[PromptUse | None, Field(description=f"of the first run: {PROMPT}")]
    times: Annotated[dict[str, TimeSpread], Field(description="over the runs")]
    stalls: int | None
    stalls_reason: str | None
    stalled: list[StalledRun]


class DumpSummary(Summary):
    """summary.json of ``dump-codes``; its ``hash_unique`` is the largest of all texts."""

    command: str = "dump-codes"
    runs: int
    hash_unique: int
    requests: list[RequestDumps]
    files: list[str]


def run_dump_codes(
    config: Config, requests: Sequence[Request], runs: int, out: Path, advance: Advance
) -> tuple[DumpSummary, Path]:
    """Speak each request ``runs`` times and write dumps, manifest and summary to a run folder under ``out``.

    Returns the summary and the folder; ``advance`` is called for every run. CannotJudge if a run gave no frame;
    InputError for an unwritable folder; else as loading the engine.
    """
    with run_folder(out, DumpSummary) as run:
        with contextlib.closing(engines.load_engine(config)) as engine:
            dumps = dump_runs(engine, requests, runs, run.path, advance)
            summary = summarise(engine.config, engine.info, dumps, runs)
        write_manifest(run.path)
        write_summary(summary, run.path)
    return summary, run.home


def summarise(config: Config, info: EngineInfo, dumps: Sequence[Sequence[WrittenDump]], runs: int) -> DumpSummary:
    """The summary of ``runs`` runs of each text, whose ``dumps`` are given text by text."""
    requests = [_request(of_text) for of_text in dumps]
    outcome = judge_drift(requests, runs)
    return DumpSummary(
        exit_status=int(outcome.status),
        headline=outcome.headline,
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=dict(info.in_force),
        provenance=info.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=[*_engine_notes(dumps), *(str(stall) for request in requests for stall in request.stalled)],
        runs=runs,
        hash_unique=max(r.hash_unique for r in requests),
        requests=requests,
        files=["manifest.json", *(name for of_text in dumps for dump in of_text for name in dump.files)],
    )


def _engine_notes(dumps: Sequence[Sequence[WrittenDump]]) -> list[str]:
    """What the engine noted in the runs, each note of a text once."""
    named = [(dump.meta.text_id or dump.meta.text_sha256[:8], dump.run) for of_text in dumps for dump in of_text]
    return list(dict.fromkeys(f"{name}: {note}" for name, run in named for note in run.notes))


def judge_drift(requests: Sequence[RequestDumps], runs: int) -> Outcome:
    """FAILS if any text gave more than one hash."""
    texts = counted(len(requests), "text")
    drifted = [r for r in requests if r.hash_unique > 1]
    if drifted:
        worst = max(r.hash_unique for r in requests)
        result = f"DRIFT in {len(drifted)} of {texts}, hash_unique up to {worst}"
    elif runs == 1:
        result = "one run a text, which says nothing about drift"
    else:
        result = f"hash_unique 1 in {runs} runs"
    status = ExitStatus.FAILS if drifted else ExitStatus.HOLDS
    return Outcome(status, f"{texts} × {counted(runs, 'run')} dumped: {result}")


def _request(dumps: Sequence[WrittenDump]) -> RequestDumps:
    metas, runs = [dump.meta for dump in dumps], [dump.run for dump in dumps]
    first, *others = [run.require_codes() for run in runs]
    earliest = earliest_difference(first, others)
    timings = [run.timing for run in runs]
    stalls = stalls_of_runs({meta.tag: run for meta, run in zip(metas, runs, strict=True)})
    spreads = {name: time_spread(getattr(timing, name) for timing in timings) for name in _TIMES}
    prompts = [run.prompt for run in runs if run.prompt is not None]
    spreads |= {name: time_spread(getattr(prompt, name) for prompt in prompts) for name in PROMPT_TIMES}
    return RequestDumps(
        text_id=metas[0].text_id,
        text_sha256=metas[0].text_sha256,
        runs=len(metas),
        hash_unique=len({m.sha256 for m in metas}),
        first_packet_hash_unique=len({m.first_packet_sha256 for m in metas}),
        first_diff_frame=None if earliest is None else earliest.first_diff_frame,
        first_diff_kind=None if earliest is None else earliest.kind,
        first_diff_reason=None
        if earliest
        else "all runs are equal"
        if len(runs) > 1
        else "one run alone shows no drift",
        frames=[m.frames for m in metas],
        truncated=sum(m.truncated for m in metas),
        clamped=max(run.clamped for run in runs),
        out_of_range_count=sum(m.out_of_range_count for m in metas),
        tags=[m.tag for m in metas],
        sha256=[m.sha256 for m in metas],
        prompt=runs[0].prompt,
        times={name: spread for name, spread in spreads.items() if spread is not None},
        stalls=None if stalls is None else len(stalls),
        stalls_reason=f"fewer than {LEAST_SIBLINGS} runs, and of packets in each" if stalls is None else None,
        stalled=list(stalls or ()),
    )


def render(summary: DumpSummary, console: Console) -> None:
    """One row a text with its codes, one with its times, then the notes."""
    columns = ("text", "runs", "frames", "hash_unique", "first packet", "first_diff_frame", "sha256")
    texts = table("dump-codes", *columns, left=len(columns))
    times = table("P50/P95/max over the runs", "text", *_SHOWN, "stalls")
    for request in summary.requests:
        frames = "/".join(str(n) for n in sorted(set(request.frames)))
        name = request.text_id or request.text_sha256[:8]
        differs = number(request.first_diff_frame) + (
            f" ({request.first_diff_kind})" if request.first_diff_kind else ""
        )
        cells = (request.runs, frames, request.hash_unique, request.first_packet_hash_unique, differs)
        texts.add_row(name, *(str(cell) for cell in cells), request.sha256[0][:16] + "…")
        times.add_row(name, *(spread_words(request.times.get(time)) for time in _SHOWN), number(request.stalls))
    console.print(texts)
    for request in summary.requests:
        for line in prompt_cells(request.prompt):
            say(console, f"{request.text_id or request.text_sha256[:8]}: {' '.join(line)}")
    console.print(times)
    print_notes(console, summary.notes)
