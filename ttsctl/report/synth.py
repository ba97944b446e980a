"""What ``synth`` reports."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ttsctl.core.audio import pcm_sha256
from ttsctl.core.delivery import chunk_samples
from ttsctl.core.metric import definitions_of
from ttsctl.report.console import open_console
from ttsctl.report.summary import Summary, provenance_dict
from ttsctl.runs.speak import Spoken

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


def summarise(spoken: Spoken, files: tuple[str, ...]) -> SynthSummary:
    """The summary of a request that left ``files``: status 1 if stream and offline gave different codes."""
    info, stream = spoken.info, spoken.stream
    equal = spoken.offline_codes_equal
    codes, pcm = stream.require_codes(), stream.require_pcm()
    duration_s = len(pcm) / info.sample_rate
    verdict = {True: "stream = offline", False: "stream and offline DIFFER in codes", None: "codes drawn freely"}[equal]
    cut = ", truncated" if stream.truncated else ""
    return SynthSummary(
        exit_status=1 if equal is False else 0,
        headline=f"{duration_s:.2f} s of audio, {len(codes)} frames{cut}, {verdict}",
        config=spoken.config.to_dict(),
        config_sha256=spoken.config.sha256,
        in_force=dict(info.in_force),
        provenance=provenance_dict(info.provenance),
        definitions=definitions_of(*_DEFINED),
        notes=list(stream.notes),
        text=spoken.request.text,
        text_mode=spoken.request.text_mode,
        voice=asdict(spoken.request.voice),
        seed=stream.seed,
        frames=len(codes),
        truncated=bool(stream.truncated),
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


def render(summary: SynthSummary) -> None:
    """Timings and notes as a table on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = open_console()
    table = Table("figure", "value", title="synth", title_justify="left", box=SIMPLE_HEAD)
    rows: dict[str, Any] = {"frames": summary.frames, "samples": summary.samples, "sha256": summary.sha256[:16] + "…"}
    rows |= {name: "none" if value is None else f"{value:.4g}" for name, value in summary.timings.items()}
    for name, value in rows.items():
        table.add_row(name, str(value))
    console.print(table)
    for note in summary.notes:
        console.print(f"note: {note}", markup=False)
