"""The figures of ``bench cuda``: times of a frame and its stages, of a stream's first audio, launches and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import torch

from ttsctl.core.cuda_results import CudaFigure
from ttsctl.engine.bench.codegen_bench import weight_bytes_a_frame
from ttsctl.engine.bench.cuda.checks import kernel_sets, speak_frame
from ttsctl.engine.bench.cuda.peers import measure_peers
from ttsctl.engine.bench.cuda.subject import Spoken, Subject, speak
from ttsctl.engine.codegen.generator import Generation
from ttsctl.engine.decode.stage import Decoding
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.recording.probes import DecodeProbes

# What was aimed at on an H100: ms a frame of code generation, to the first audio at packets of 4, of a decoder step.
FRAME_LIMIT_MS = {"0.6B": 2.5, "1.7B": 3.5}
TTFA_LIMIT_MS = {"0.6B": 15.0}
DECODER_LIMIT_MS = 2.0
COPY_BYTES, COPIES = 2**30, 10
WARM_UP_FRAMES = 5


def measure(subject: Subject) -> Iterator[CudaFigure]:
    """All figures of one size, the bandwidth first."""
    bandwidth = copy_bandwidth(subject.device)
    yield CudaFigure("memory_bandwidth", subject.size, "copy", "GB/s", bandwidth / 1e9, runs=COPIES)
    for kernels, graphs in product(kernel_sets(subject), (False, True)):
        yield from _of_setup(subject, kernels, graphs, bandwidth)
    yield from measure_peers(subject)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written a second by copies of 1 GiB, the fastest of 10."""
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = [_milliseconds(lambda: target.copy_(source), device) for _ in range(COPIES)]
    return 2 * COPY_BYTES / (min(times) / 1e3)


def _of_setup(subject: Subject, kernels: str, graphs: bool, bandwidth: float) -> Iterator[CudaFigure]:
    setup = f"kernels {kernels}, {'graphs' if graphs else 'eager'}"
    which = dict.fromkeys(("talker", "predictor", "decoder"), graphs)
    torch.cuda.reset_peak_memory_stats(subject.device)
    for packet in subject.plan.timed_packets:
        config = subject.config(
            backend={"kernels": kernels}, graphs=which, stream={"packet_tokens": packet, "overlap": "thread"}
        )
        with subject.engine(config) as engine:
            speak(engine, subject.request)
            runs = [speak(engine, subject.request) for _ in range(subject.plan.runs)]
            yield from _stream_figures(subject, f"{setup}, packets of {packet}", packet, runs)
            if packet == subject.plan.timed_packets[-1]:
                yield from _frame_figures(subject, setup, engine, graphs, bandwidth)
                yield _decoder_figure(subject, setup, engine)
    peak = torch.cuda.max_memory_allocated(subject.device) / 2**30
    yield CudaFigure("memory_peak", subject.size, setup, "GiB", peak)


def _stream_figures(subject: Subject, setup: str, packet: int, runs: list[Spoken]) -> Iterator[CudaFigure]:
    """First packet, its decoding, first audio, and the real-time factor, over the runs."""
    for name, unit in (("ttfp_ms", "ms"), ("ttf_ms", "ms"), ("ttfa_ms", "ms"), ("rtf", ""), ("wall_rtf", "")):
        values = [value for run in runs if (value := getattr(run.timing, name)) is not None]
        limit = TTFA_LIMIT_MS.get(subject.size) if (name, packet) == ("ttfa_ms", 4) else None
        yield _figure(name, subject.size, setup, unit, values, limit)


@torch.inference_mode()
def _frame_figures(
    subject: Subject, setup: str, engine: LocalEngine, graphs: bool, bandwidth: float
) -> Iterator[CudaFigure]:
    """ms a frame, its stages where they are apart, kernels launched a frame, and the share of the memory floor."""
    stage, talker = engine.codegen_stage, engine.generator.talker
    with stage.in_force:
        generation, _ = stage.begin(subject.request)
        frames = iter(engine.generator.frames(generation))
        taken = [_milliseconds(lambda: next(frames), subject.device) for _ in range(subject.plan.frames - 1)]
        times = taken[WARM_UP_FRAMES:]
        yield _figure("frame_ms", subject.size, setup, "ms", times, FRAME_LIMIT_MS.get(subject.size))
        floor_ms = weight_bytes_a_frame(talker) / bandwidth * 1e3
        yield CudaFigure("memory_floor_ms", subject.size, setup, "ms", floor_ms)
        yield CudaFigure("share_of_floor", subject.size, setup, "", floor_ms / float(np.median(times)))
        if not graphs:
            generation, _ = stage.begin(subject.request)
            yield from _stage_figures(subject, setup, generation)
            generation, _ = stage.begin(subject.request)
            yield _launch_figure(subject, setup, generation)


def _stage_figures(subject: Subject, setup: str, generation: Generation) -> Iterator[CudaFigure]:
    """The talker's step, the draw of group 0, and the predictor's steps and draws, each apart."""
    function, state, noise = generation.function, generation.state, generation.noise
    times: dict[str, list[float]] = {"talker_ms": [], "draw_ms": [], "predictor_ms": []}
    speak_frame(generation, 0)
    for number in range(1, subject.plan.frames - 1):
        reach = state.reach_for(generation.positions + number)
        stages: dict[str, Callable[[], object]] = {
            "talker_ms": lambda reach=reach: function.advance(state, reach),  # type: ignore[misc]
            "draw_ms": lambda: function.draw_group0(state, noise),
            "predictor_ms": lambda: function.predict(state, noise),
        }
        for name, work in stages.items():
            times[name].append(_milliseconds(work, subject.device))
    for name, found in times.items():
        yield _figure(name, subject.size, setup, "ms", found[WARM_UP_FRAMES:])


def _launch_figure(subject: Subject, setup: str, generation: Generation) -> CudaFigure:
    """Kernels that a first frame launches; missing where torch has no profiler for the device."""
    name, unit = "launches_first_frame", "kernels"
    try:
        return CudaFigure(name, subject.size, setup, unit, _launches(lambda: speak_frame(generation, 0)))
    except (RuntimeError, AssertionError) as error:
        return CudaFigure(name, subject.size, setup, unit, None, runs=0, reason=f"torch's profiler: {error}")


def _launches(work: Callable[[], object]) -> int:
    """Kernels that the work launches, as torch's profiler counts them."""
    kinds = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[kinds.CPU, kinds.CUDA]) as profile:
        work()
        torch.cuda.synchronize()
    return sum(event.device_type == torch._C._autograd.DeviceType.CUDA for event in profile.events() or ())


@torch.inference_mode()
def _decoder_figure(subject: Subject, setup: str, engine: LocalEngine) -> CudaFigure:
    """ms of a push of 4 frames, a step of the default decode mode, in a running stream."""
    decoding = Decoding(engine.decode_stage, DecodeProbes())
    codes = np.zeros((4, engine.info.num_codebooks), np.int64)
    times = []
    for _ in range(subject.plan.runs + WARM_UP_FRAMES):
        decoding.take(codes)
        times.append(_milliseconds(lambda: decoding.read_pcm(decoding.decode()), subject.device))
    return _figure("decoder_step_ms", subject.size, setup, "ms", times[WARM_UP_FRAMES:], DECODER_LIMIT_MS)


def _milliseconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall ms of the work with all that it queues, between two synchronisations."""
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return (time.perf_counter() - started) * 1e3


def _figure(name: str, size: str, setup: str, unit: str, values: list[float], limit: float | None = None) -> CudaFigure:
    """The median and the 95th percentile; missing without values."""
    if not values:
        return CudaFigure(name, size, setup, unit, None, runs=0, limit=limit, reason="nothing was measured")
    middle, high = (float(np.percentile(values, q)) for q in (50, 95))
    return CudaFigure(name, size, setup, unit, middle, high, len(values), limit)
