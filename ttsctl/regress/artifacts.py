"""What a case leaves in the run folder: its audio, and a dump of the codes of each of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttsctl.audio.wav import write_wav
from ttsctl.core.codes import codes_sha256
from ttsctl.core.config import Config
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.regress.baseline import stream_wav
from ttsctl.regress.cases import CaseOutput


@dataclass(frozen=True)
class RunFacts:
    """One run of a case. ``run`` is "stream", "offline", or "repeat_1", "repeat_2", ... in the order they ran."""

    run: str
    codes_sha256: str
    frames: int
    samples: int
    truncated: bool
    ttfa_ms: float | None
    rtf: float | None


def run_facts(output: CaseOutput) -> list[RunFacts]:
    """One entry a counted run; an offline run has no time to first audio."""
    return [
        RunFacts(
            run=name,
            codes_sha256=codes_sha256(run.require_codes()),
            frames=len(run.require_codes()),
            samples=len(run.require_pcm()),
            truncated=bool(run.truncated),
            ttfa_ms=run.timing.ttfa_ms,
            rtf=run.timing.rtf,
        )
        for name, run in output.named.items()
    ]


def save_case(output: CaseOutput, folder: Path, config: Config) -> None:
    """``wav/<case>_stream.wav``, ``wav/<case>_offline.wav`` and ``codes/`` with a dump a run, and what
    ``record`` asks for of the streamed ones.

    A run without a frame has nothing to dump, one without a sample no wav. InputError if the folder cannot be written.
    """
    case = output.case
    wavs = {stream_wav(folder, case.id): output.stream}
    wavs[folder / "wav" / f"{case.id}_offline.wav"] = output.offline
    for path, run in wavs.items():
        if len(run.require_pcm()):
            write_wav(path, run.require_pcm(), output.info.sample_rate)
    for name, run in output.named.items():
        codes = run.require_codes()
        if len(codes):
            meta = build_meta(run, case.request, config, output.info, f"{case.id}_{name}")
            packets = run.packets if config.record.packets and run.kind == "stream" else None
            write_dump(folder / "codes", meta, codes, run.trace, packets)
