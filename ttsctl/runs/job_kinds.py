"""The kinds of run of a job on a loaded engine: streamed, offline, codes alone, or given codes decoded."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray
from ttsctl.core.engine import Engine
from ttsctl.core.errors import EngineError
from ttsctl.core.run import Run, RunKind
from ttsctl.runs.job import Job, JobResult
from ttsctl.runs.run_decode import reference_of, run_decode, run_decode_offline
from ttsctl.runs.run_stream import run_codegen, run_offline, run_stream


def warm_up(engine: Engine, job: Job, cancelled: threading.Event) -> None:
    """Do the run of the job ``job.warmup`` times and throw the results away."""
    for _ in range(job.warmup):
        _RUNS[job.run](engine, job, cancelled)


def run_once(engine: Engine, job: Job, cancelled: threading.Event) -> JobResult:
    """Do the job's run and measure it. EngineError if it ends before the first frame."""
    run = _RUNS[job.run](engine, job, cancelled)
    if run.codes is not None and not len(run.codes):
        raise EngineError("the speech ended before the first frame", "raise sampling.max_new_tokens")
    return JobResult(
        condition=job.condition,
        case=job.case,
        repeat=job.repeat,
        host=platform.node(),
        pid=os.getpid(),
        info=engine.info,
        run=run if engine.config.record.packets else replace(run, packets=(), chunks=()),
        pcm_sha256=pcm_sha256(run.pcm) if run.pcm is not None else None,
        samples=None if run.pcm is None else len(run.pcm),
        pops=_pops(run.pcm, engine.info.sample_rate) if "pops" in job.measure and run.pcm is not None else None,
    )


def _pops(pcm: PcmArray, sample_rate: int) -> tuple[int, ...]:
    # A job that measures no pops does not load the detector.
    from ttsctl.audio.pops.detector import detect_pops

    return tuple(pop.sample for pop in detect_pops(pcm, sample_rate).pops)


def _stream(engine: Engine, job: Job, cancelled: threading.Event) -> Run:
    return run_stream(engine, job.request, cancelled)


def _offline(engine: Engine, job: Job, cancelled: threading.Event) -> Run:
    return run_offline(engine, job.request)


def _codegen(engine: Engine, job: Job, cancelled: threading.Event) -> Run:
    return run_codegen(engine, job.request, cancelled)


def _decode(engine: Engine, job: Job, cancelled: threading.Event) -> Run:
    before = reference_of(engine, job.request)
    reference = None if before is None else (before, f"reference of {job.case}")
    return run_decode(engine, _given(job), f"codes of {job.case}", reference=reference)


def _decode_offline(engine: Engine, job: Job, cancelled: threading.Event) -> Run:
    return run_decode_offline(engine, _given(job), f"codes of {job.case}", reference_of(engine, job.request))


def _given(job: Job) -> CodeArray:
    """The codes that the job brings to decode. EngineError without any."""
    if job.codes is None:
        raise EngineError(f"job {job.id}: expected codes to decode, got none", "name a condition that makes codes")
    return job.codes


_RUNS: Mapping[RunKind, Callable[[Engine, Job, threading.Event], Run]] = MappingProxyType(
    {
        "stream": _stream,
        "offline": _offline,
        "codegen": _codegen,
        "decode": _decode,
        "decode_offline": _decode_offline,
    }
)
