"""What a case leaves in the run folder: its audio, and a dump of the codes of each of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ttsctl.audio.wav import write_wav
from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.timing import PacketTiming, real_time_factor
from ttsctl.core.trace import Trace
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.regress.baseline import stream_wav
from ttsctl.regress.cases import CaseOutput
from ttsctl.runs.run_stream import StreamRun


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
            run=run.name,
            codes_sha256=codes_sha256(run.codes),
            frames=len(run.codes),
            samples=run.samples,
            truncated=run.truncated,
            ttfa_ms=run.timings.get("ttfa_ms"),
            rtf=run.timings.get("rtf"),
        )
        for run in _runs(output)
    ]


def save_case(output: CaseOutput, folder: Path, config: Config) -> None:
    """``wav/<case>_stream.wav``, ``wav/<case>_offline.wav`` and ``codes/`` with a dump a run, and what
    ``record`` asks for of the streamed ones.

    A run without a frame has nothing to dump, one without a sample no wav. InputError if the folder cannot be written.
    """
    rate, case = output.info.sample_rate, output.case
    wavs = {stream_wav(folder, case.id): output.stream.pcm}
    wavs[folder / "wav" / f"{case.id}_offline.wav"] = output.offline.pcm
    for path, pcm in wavs.items():
        if len(pcm):
            write_wav(path, pcm, rate)
    for run in _runs(output):
        if not len(run.codes):
            continue
        meta = build_meta(
            run.codes,
            tag=f"{case.id}_{run.name}",
            request=case.request,
            config=config,
            seed=run.seed,
            codebook_size=output.info.codebook_size,
            truncated=run.truncated,
            timings=run.timings,
            provenance=output.info.provenance,
        )
        packets = run.packets if config.record.packets else None
        write_dump(folder / "codes", meta, run.codes, run.trace, packets)


@dataclass(frozen=True)
class _Run:
    name: str
    codes: CodeArray
    samples: int
    truncated: bool
    seed: int | None
    timings: dict[str, float | None]
    trace: Trace | None = None
    packets: tuple[PacketTiming, ...] | None = None


def _runs(output: CaseOutput) -> Iterator[_Run]:
    """Streamed and offline runs alike."""
    stream, offline = output.stream, output.offline
    yield _streamed("stream", stream)
    times: dict[str, float | None] = {"code_ms": offline.code_ms, "decode_ms": offline.decode_ms}
    times["rtf"] = real_time_factor(offline.code_ms + offline.decode_ms, len(offline.pcm), output.info.sample_rate)
    yield _Run("offline", offline.codes, len(offline.pcm), offline.truncated, offline.seed, times)
    for number, run in enumerate(output.repeats, start=1):
        yield _streamed(f"repeat_{number}", run)


def _streamed(name: str, run: StreamRun) -> _Run:
    samples, times = len(run.pcm), asdict(run.timing)
    return _Run(name, run.codes, samples, run.truncated, run.seed, times, run.trace, run.packets)
