"""The kinds of run of a sweep on a loaded engine: streamed, offline, codes alone, or given codes decoded."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray
from ttsctl.core.engine import End, Packet
from ttsctl.core.errors import EngineError
from ttsctl.core.timing import PacketTiming, packet_timing, real_time_factor
from ttsctl.core.trace import Trace
from ttsctl.runs.job import Job, JobResult, RunKind
from ttsctl.runs.timeout import Cancelled

if TYPE_CHECKING:
    from ttsctl.engine.decode.variants import VariantResult
    from ttsctl.engine.local import LocalEngine

Times = Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Output:
    """What a run gave, as in runs.job.JobResult."""

    codes: CodeArray | None = None
    pcm: PcmArray | None = None
    truncated: bool | None = None
    seed: int | None = None
    timings: Times = field(default_factory=dict)
    packets: tuple[PacketTiming, ...] = ()
    trace: Trace | None = None
    notes: tuple[str, ...] = ()


def warm_up(engine: LocalEngine, job: Job, cancelled: threading.Event) -> None:
    """The job ``job.warmup`` times over, thrown away."""
    for _ in range(job.warmup):
        _RUNS[job.run](engine, job, cancelled)


def run_once(engine: LocalEngine, job: Job, cancelled: threading.Event) -> JobResult:
    """Do the job's run and measure it. EngineError if it ends before the first frame."""
    out = _RUNS[job.run](engine, job, cancelled)
    if out.codes is not None and not len(out.codes):
        raise EngineError("the speech ended before the first frame", "raise sampling.max_new_tokens")
    rate = engine.info.sample_rate
    return JobResult(
        condition=job.condition,
        case=job.case,
        repeat=job.repeat,
        host=platform.node(),
        pid=os.getpid(),
        provenance=engine.info.provenance.to_dict(),
        in_force=dict(engine.info.in_force),
        codebook_size=engine.info.codebook_size,
        sample_rate=rate,
        codes=out.codes,
        pcm=out.pcm,
        pcm_sha256=pcm_sha256(out.pcm) if out.pcm is not None else None,
        truncated=out.truncated,
        seed=out.seed,
        timings=dict(out.timings),
        packets=out.packets,
        pops=_pops(out.pcm, rate) if "pops" in job.measure and out.pcm is not None else None,
        trace=out.trace,
        notes=out.notes,
    )


def _pops(pcm: PcmArray, sample_rate: int) -> tuple[int, ...]:
    from ttsctl.audio.pops.detector import detect_pops

    return tuple(pop.sample for pop in detect_pops(pcm, sample_rate).pops)


def _stream(engine: LocalEngine, job: Job, cancelled: threading.Event) -> Output:
    from ttsctl.runs.run_stream import run_stream

    run = run_stream(engine, job.request, cancelled)
    packets = run.packets if engine.config.record.packets else ()
    return Output(run.codes, run.pcm, run.truncated, run.seed, asdict(run.timing), packets, run.trace, run.notes)


def _offline(engine: LocalEngine, job: Job, cancelled: threading.Event) -> Output:
    run = engine.offline(job.request)
    rtf = real_time_factor(run.code_ms + run.decode_ms, len(run.pcm), engine.info.sample_rate)
    times = {"code_ms": run.code_ms, "decode_ms": run.decode_ms, "rtf": rtf}
    return Output(run.codes, run.pcm, run.truncated, run.seed, times, notes=run.notes)


def _given(job: Job) -> CodeArray:
    if job.codes is None:
        raise EngineError(f"job {job.id}: no codes to decode were given")
    return job.codes


def _decode(engine: LocalEngine, job: Job, cancelled: threading.Event) -> Output:
    """Given codes through the configured decode session, packet by packet; its first packet once before the clock."""
    from ttsctl.engine.decode.variants import check_fit, decode_variant

    codes = _given(job)
    check_fit(engine, codes, f"job {job.id}")
    found = decode_variant(engine, codes, engine.config)
    first = next((n for n, samples in enumerate(found.packet_samples) if samples), None)
    times = {
        "ttfa_ms": sum(found.packet_ms[: first + 1]) if first is not None else None,
        "decode_first_ms": found.packet_ms[0] if found.packet_ms else None,
        "decode_ms": sum(found.packet_ms),
        "rtf": real_time_factor(sum(found.packet_ms), len(found.pcm), engine.info.sample_rate),
    }
    return Output(pcm=found.pcm, timings=times, packets=_decoded_packets(engine, codes, found))


def _decoded_packets(engine: LocalEngine, codes: CodeArray, found: VariantResult) -> tuple[PacketTiming, ...]:
    """The packet trace of a decode, in which codes come at once and wait for nothing."""
    if not engine.config.record.packets:
        return ()
    size, at_ms, packets = engine.config.stream.packet_tokens, 0.0, []
    for index, (samples, ms) in enumerate(zip(found.packet_samples, found.packet_ms, strict=True)):
        frames = len(codes[index * size : (index + 1) * size])
        packets.append(PacketTiming(index, frames, samples, 0.0, 0.0, ms, at_ms, at_ms + ms))
        at_ms += ms
    return tuple(packets)


def _decode_offline(engine: LocalEngine, job: Job, cancelled: threading.Event) -> Output:
    from ttsctl.engine.decode.variants import check_fit

    codes = _given(job)
    check_fit(engine, codes, f"job {job.id}")
    started = time.perf_counter()
    pcm = engine.decode_offline(codes)
    decode_ms = (time.perf_counter() - started) * 1e3
    rtf = real_time_factor(decode_ms, len(pcm), engine.info.sample_rate)
    return Output(pcm=pcm, timings={"decode_ms": decode_ms, "rtf": rtf})


def _codegen(engine: LocalEngine, job: Job, cancelled: threading.Event) -> Output:
    """Code generation to its end, where the engine has it: in this thread, or in its worker process."""
    packets: list[Packet] = []
    end: End | None = None
    for event in engine.generate(job.request):
        if cancelled.is_set():
            raise Cancelled
        if isinstance(event, End):
            end = event
        else:
            packets.append(event)
    if end is None:
        raise EngineError("code generation ended without End")
    none = np.empty((0, engine.info.num_codebooks), np.int64)
    timings = tuple(map(packet_timing, packets))
    times = {"ttfp_ms": timings[0].codes_at_ms if timings else None, "code_ms": sum(t.code_ms for t in timings)}
    return Output(
        codes=np.concatenate([none, *(packet.codes for packet in packets)]),
        truncated=end.truncated,
        seed=end.seed,
        timings=times,
        packets=timings if engine.config.record.packets else (),
        trace=end.trace,
        notes=end.notes,
    )


_RUNS: Mapping[RunKind, Callable[[LocalEngine, Job, threading.Event], Output]] = MappingProxyType(
    {
        "stream": _stream,
        "offline": _offline,
        "codegen": _codegen,
        "decode": _decode,
        "decode_offline": _decode_offline,
    }
)
