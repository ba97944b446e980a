"""``synth``: one text spoken into a run folder, and what is reported of it."""

from __future__ import annotations

import contextlib
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ttsctl.core.audio import pcm_sha256
from ttsctl.core.config import Config
from ttsctl.core.delivery import chunk_samples
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.request import Request
from ttsctl.report.console import number, print_notes, table
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Summary, write_summary
from ttsctl.runs import engines
from ttsctl.runs.speak import Advance, SpokenRequest, speak, write_spoken

if TYPE_CHECKING:
    from rich.console import Console

_DEFINED = (
    "chunks",
    "code_ms",
    "decode_calls",
    "decode_first_ms",
    "decode_ms",
    "frames",
    "offline_codes_equal",
    "pcm_sha256",
    "queue_wait_ms",
    "rtf",
    "samples",
    "samples_expected",
    "seed",
    "sha256",
    "truncated",
    "ttf_ms",
    "ttfa_ms",
    "ttfp_ms",
)


class SynthSummary(Summary):
    """summary.json of ``synth``. ``offline_codes_equal`` is null with ``offline_reason`` where it means nothing."""

    command: str = "synth"
    text: str
    text_mode: str
    voice: dict[str, str | None]
    seed: int | None
    frames: int
    truncated: bool
    clamped: Annotated[int, Field(description="ids that determinism.clamp_codes moved into range")]
    samples: int
    samples_expected: int
    duration_s: float
    chunks: int
    sha256: str
    pcm_sha256: str
    offline_codes_equal: bool | None
    offline_reason: str | None
    timings: dict[str, float | None]
    files: list[str]


def run_synth(config: Config, request: Request, out: Path, advance: Advance) -> tuple[SynthSummary, Path]:
    """Speak ``request`` and write audio, codes and summary to a run folder under ``out`` -> the summary, the folder.

    ``advance`` is called for every packet. CannotJudge if no frame came; InputError for an unwritable folder; else as
    loading the engine.
    """
    with run_folder(out, SynthSummary) as run:
        with contextlib.closing(engines.load_engine(config)) as engine:
            spoken = speak(engine, request, advance)
        summary = summarise(spoken, write_spoken(spoken, run.path))
        write_summary(summary, run.path)
    return summary, run.home


def summarise(spoken: SpokenRequest, files: tuple[str, ...]) -> SynthSummary:
    """The summary of a request that left ``files``: FAILS if stream and offline gave different codes."""
    info, stream = spoken.info, spoken.stream
    equal = spoken.offline_codes_equal
    codes, pcm = stream.require_codes(), stream.require_pcm()
    duration_s = len(pcm) / info.sample_rate
    verdict = {True: "stream = offline", False: "stream and offline DIFFER in codes", None: "codes drawn freely"}[equal]
    cut = ", truncated" if stream.truncated else ""
    return SynthSummary(
        exit_status=int(ExitStatus.FAILS if equal is False else ExitStatus.HOLDS),
        headline=f"{duration_s:.2f} s of audio, {len(codes)} frames{cut}, {verdict}",
        config=spoken.config.to_dict(),
        config_sha256=spoken.config.sha256,
        in_force=dict(info.in_force),
        provenance=info.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=list(stream.notes),
        text=spoken.request.text,
        text_mode=spoken.request.text_mode,
        voice=asdict(spoken.request.voice),
        seed=stream.seed,
        frames=len(codes),
        truncated=bool(stream.truncated),
        clamped=stream.clamped,
        samples=len(pcm),
        samples_expected=len(codes) * info.frame_samples,
        duration_s=duration_s,
        chunks=math.ceil(len(pcm) / chunk_samples(spoken.config.stream.chunk_ms, info.sample_rate)),
        sha256=spoken.meta.sha256,
        pcm_sha256=pcm_sha256(pcm),
        offline_codes_equal=equal,
        offline_reason=None if equal is not None else "policy free draws other codes in every run",
        timings=stream.times,
        files=list(files),
    )


def render(summary: SynthSummary, console: Console) -> None:
    """Length, hash and timings as a table, then the notes."""
    figures = table("synth", "figure", "value", left=2)
    figures.add_row("frames", str(summary.frames))
    figures.add_row("samples", str(summary.samples))
    figures.add_row("sha256", f"{summary.sha256[:16]}…")
    for name, value in summary.timings.items():
        figures.add_row(name, "none" if value is None else number(value, ".4g"))
    console.print(figures)
    print_notes(console, summary.notes)
