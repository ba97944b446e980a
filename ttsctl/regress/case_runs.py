"""All runs of one case through one engine, and the files that they leave in the run folder."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ttsctl.audio.wav import write_wav
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.run import Run
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.runs.run_decode import reference_of, run_decode_offline
from ttsctl.runs.run_stream import run_offline, run_stream
from ttsctl.runs.texts import Case


@dataclass(frozen=True)
class CaseRuns:
    """The counted runs of a case: one streamed, one offline, and streamed repeats that show whether codes drift.

    ``offline`` spoke by itself; or it decoded the streamed run's codes in one call, and has none of its own.
    """

    case: Case
    info: EngineInfo
    stream: Run
    offline: Run
    repeats: tuple[Run, ...]
    wall_s: float

    @property
    def streams(self) -> tuple[Run, ...]:
        """Every streamed run, the first one first."""
        return (self.stream, *self.repeats)

    @property
    def by_name(self) -> dict[str, Run]:
        """All runs in the order in which they were made: "stream", "offline", "repeat_1", "repeat_2", ...; an offline
        run of the stream's codes is called "offline_from_codes".
        """
        offline = "offline" if self.offline.codes is not None else "offline_from_codes"
        repeats = {f"repeat_{number}": run for number, run in enumerate(self.repeats, start=1)}
        return {"stream": self.stream, offline: self.offline, **repeats}


def run_case(
    engine: Engine,
    case: Case,
    repeats: int,
    warmup: int,
    cancelled: threading.Event,
    offline_from_codes: bool = False,
) -> CaseRuns:
    """Make ``warmup`` streamed runs that are thrown away, one streamed, one offline, and ``repeats`` more streamed.

    ``offline_from_codes``: the offline run decodes the streamed one's codes, so that drift does not spoil its audio.
    EngineError if the engine breaks its protocol, Cancelled if ``cancelled`` is set; else whatever the engine raises.
    """
    started = time.perf_counter()
    for _ in range(warmup):
        run_stream(engine, case.request, cancelled)
    stream = run_stream(engine, case.request, cancelled)
    if offline_from_codes:
        before = reference_of(engine, case.request)
        offline = run_decode_offline(engine, stream.require_codes(), f"codes of {case.id}", before)
    else:
        offline = run_offline(engine, case.request)
    repeated = tuple(run_stream(engine, case.request, cancelled) for _ in range(repeats))
    return CaseRuns(case, engine.info, stream, offline, repeated, time.perf_counter() - started)


def stream_wav(folder: Path, case_id: str) -> Path:
    """Where a run folder, and a baseline, keep the streamed audio of a case."""
    return folder / "wav" / f"{case_id}_stream.wav"


def save_runs(runs: CaseRuns, folder: Path, config: Config) -> None:
    """Write the audio of the first streamed and of the offline run to ``wav/``, and a dump of every run to ``codes/``.

    Dumps hold what the ``record`` table of ``config`` asks for. A run without a frame leaves no dump, one without a
    sample no wav. InputError if the folder cannot be written.
    """
    case = runs.case
    wavs = {stream_wav(folder, case.id): runs.stream, folder / "wav" / f"{case.id}_offline.wav": runs.offline}
    for path, run in wavs.items():
        if len(run.require_pcm()):
            write_wav(path, run.require_pcm(), runs.info.sample_rate)
    for name, run in runs.by_name.items():
        codes = run.codes
        if codes is not None and len(codes):
            meta = build_meta(run, case.request, config, runs.info, f"{case.id}_{name}")
            packets = run.packets if config.record.packets and run.kind == "stream" else None
            write_dump(folder / "codes", meta, codes, run.trace, packets, run.chunks)
