"""``synth``: one text spoken into a run folder, and what is reported of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ttsctl.core.audio import pcm_sha256
from ttsctl.core.config import Config
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.request import Request
from ttsctl.core.stalls import LEAST_SIBLINGS, StalledRun
from ttsctl.core.timing import PacketStats, PacketTiming, packet_stats
from ttsctl.core.voice_prompt import PromptUse
from ttsctl.report.console import number, print_notes, table
from ttsctl.report.prompt_lines import PROMPT, prompt_cells
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import Summary, write_summary
from ttsctl.report.time_spread import TimeSpread, time_spread
from ttsctl.runs import engines
from ttsctl.runs.run_stalls import stalls_of_runs
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
    "prime_ms",
    "prompt_ms",
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
    "stalls",
    "total_s",
    "wall_rtf",
)

_PACKET_TIMES = ("code_ms", "decode_ms", "queue_wait_ms")


class SynthSummary(Summary):
    """summary.json of ``synth``. ``offline_codes_equal`` is null with ``offline_reason`` where it means nothing."""

    command: str = "synth"
    text: str
    text_mode: str
    voice: dict[str, str | bool | None]
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
    packets: Annotated[PacketStats, Field(description="what the packets of the stream hold")]
    packet_times: Annotated[
        dict[str, TimeSpread], Field(description="over the packets of the stream; empty where it had none")
    ]
    prompt: Annotated[PromptUse | None, Field(description=PROMPT)]
    stalls: int | None
    stalls_reason: str | None
    stalled: list[StalledRun]
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
    stalls = stalls_of_runs({"stream": stream})
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
        notes=[*_engine_notes(spoken), *map(str, stalls or ())],
        text=spoken.request.text,
        text_mode=spoken.request.text_mode,
        voice=spoken.request.voice.to_dict(),
        seed=stream.seed,
        frames=len(codes),
        truncated=bool(stream.truncated),
        clamped=stream.clamped,
        samples=len(pcm),
        samples_expected=len(codes) * info.frame_samples,
        duration_s=duration_s,
        chunks=len(stream.chunks),
        sha256=spoken.meta.sha256,
        pcm_sha256=pcm_sha256(pcm),
        offline_codes_equal=equal,
        offline_reason=None if equal is not None else "policy free draws other codes in every run",
        timings=stream.times,
        prompt=stream.prompt,
        packets=packet_stats(stream.packets, info.frame_samples),
        packet_times=packet_times(stream.packets),
        stalls=None if stalls is None else len(stalls),
        stalls_reason=None if stalls is not None else f"fewer than {LEAST_SIBLINGS + 1} packets with audio",
        stalled=list(stalls or ()),
        files=list(files),
    )


def _engine_notes(spoken: SpokenRequest) -> list[str]:
    """What the engine noted in the streamed and in the offline run, each note once."""
    runs = (spoken.stream,) if spoken.offline is None else (spoken.stream, spoken.offline)
    return list(dict.fromkeys(note for run in runs for note in run.notes))


def packet_times(packets: Sequence[PacketTiming]) -> dict[str, TimeSpread]:
    """How the times of a stream's packets are spread, each over the packets that have it."""
    times = {name: [t for p in packets if (t := getattr(p, name)) is not None] for name in _PACKET_TIMES}
    return {name: spread for name, found in times.items() if (spread := time_spread(found)) is not None}


def render(summary: SynthSummary, console: Console) -> None:
    """Length, hash and timings as a table, then the notes."""
    figures = table("synth", "figure", "value", left=2)
    figures.add_row("frames", str(summary.frames))
    figures.add_row("samples", str(summary.samples))
    figures.add_row("sha256", f"{summary.sha256[:16]}…")
    for name, value in summary.timings.items():
        figures.add_row(name, "none" if value is None else number(value, ".4g"))
    for name, cell in prompt_cells(summary.prompt):
        figures.add_row(name, cell)
    figures.add_row("stalls", number(summary.stalls))
    console.print(figures)
    if summary.packet_times:
        packets = table("packets", "time", "P50", "P95", "max", "n")
        for name, spread in summary.packet_times.items():
            packets.add_row(name, *(f"{ms:.4g}" for ms in (spread.p50, spread.p95, spread.max)), str(spread.n))
        console.print(packets)
    print_notes(console, summary.notes)
