"""Times the same speech at every trace level: what recording costs in code generation and in decoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import median
from typing import Literal, get_args

import numpy as np
import torch

from ttsctl.core.bench_results import LevelTime, TraceBench
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request
from ttsctl.core.trace import TraceLevel
from ttsctl.engine.bench.random_networks import RELEASED_CODEC, random_codec, random_talker, released_talker
from ttsctl.engine.bench.request import bench_request
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import SamplingPlan, drawn_seed, new_generator, plan_sampling
from ttsctl.engine.decode.sessions import new_session
from ttsctl.engine.loading import open_decoder, open_generator
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.placement import Placement, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance, with_threads
from ttsctl.engine.recording.recorder import Recorder
from ttsctl.engine.switches import apply_switches

Clock = Literal["cpu", "wall"]
# The least number of rounds whose extremes bound the median with 95 % or more: 1 - 2 / 2^6 is 97 %.
LEAST_ROUNDS = 6
CONFIDENCE = 0.95
LEVELS: tuple[TraceLevel, ...] = get_args(TraceLevel)


@dataclass(frozen=True)
class _Network:
    """The networks that are timed, and what they speak."""

    name: str
    generator: CodeGenerator
    decoder: CodecDecoder
    plan: SamplingPlan
    request: Request
    provenance: Provenance


@dataclass(frozen=True)
class _Run:
    """One round of one level: seconds by the bench's clock, including those that finish the trace."""

    frames: int
    wall_s: float
    code_s: float
    decode_s: float
    prints: int
    draws: int

    @property
    def total_s(self) -> float:
        return self.code_s + self.decode_s


@torch.inference_mode()
def bench_trace(
    config: Config,
    checkpoint: str | None = None,
    frames: int = 8,
    rounds: int = 6,
    seed: int = 0,
    tell: Callable[[str, int, int], None] | None = None,
) -> TraceBench:
    """Speak up to ``frames`` frames at every level in turn, ``rounds`` times, after a round that only warms up.

    ``checkpoint`` None = random weights of the released 0.6B size. ``tell`` is called before each round with its name,
    number and the number of rounds. InputError for no frames or rounds, or for settings that this machine lacks.
    """
    if frames < 1 or rounds < 1:
        raise InputError(f"bench: {frames} frames in {rounds} rounds", "give at least one of each")
    refuse_unavailable(config)
    placement = place(config)
    apply_switches(config)
    network = _random(config, placement, seed) if checkpoint is None else _loaded(config, placement, checkpoint)
    network = replace(network, plan=replace(network.plan, max_new_tokens=frames + 1))
    clock: Clock = "cpu" if placement.codegen_device.type == placement.decoder_device.type == "cpu" else "wall"
    runs: dict[TraceLevel, list[_Run]] = {level: [] for level in LEVELS}
    for index in range(-1, rounds):
        if tell and index >= 0:
            tell("round", index, rounds)
        for level in _levels_of_round(index):
            run = _speak(network, config, level, clock)
            if index >= 0:
                runs[level].append(run)
    times = tuple(_level_time(level, runs[level], runs["none"]) for level in LEVELS)
    return TraceBench(
        network.name, runs["none"][0].frames, rounds, clock, times, read_back(placement), network.provenance
    )


def _levels_of_round(index: int) -> Sequence[TraceLevel]:
    """The order of the levels in a round: each level is first equally often, and every second round goes backwards."""
    shift = index // 2 % len(LEVELS)
    rotated = LEVELS[shift:] + LEVELS[:shift]
    return rotated if index % 2 else rotated[::-1]


def _random(config: Config, placement: Placement, seed: int) -> _Network:
    opened = open_checkpoint("builtin")
    talker = random_talker(
        released_talker(opened.sizes.text_vocab_size), seed, placement.codegen_device, placement.codegen_dtype
    )
    codec = random_codec(RELEASED_CODEC, seed, placement.decoder_device, placement.decoder_dtype)
    return _Network(
        name="released size (0.6B), random weights",
        generator=CodeGenerator(talker, load_tokenizer(opened.folder)),
        decoder=codec.decoder,
        plan=plan_sampling(config.sampling, opened.generation),
        request=bench_request(opened.sizes),
        provenance=with_threads(collect_provenance()),
    )


def _loaded(config: Config, placement: Placement, checkpoint: str) -> _Network:
    opened = open_checkpoint(checkpoint)
    decoder = open_decoder(opened, placement)
    decoder.set_legacy(config.decoder.padding == "legacy")
    return _Network(
        name=checkpoint,
        generator=open_generator(opened, placement),
        decoder=decoder,
        plan=plan_sampling(config.sampling, opened.generation),
        request=bench_request(opened.sizes),
        provenance=engine_provenance(opened),
    )


def _speak(network: _Network, config: Config, level: TraceLevel, clock: Clock) -> _Run:
    """One request: generate all codes, then decode them packet by packet, each with its part of the trace."""
    device = network.generator.device
    seed = drawn_seed(config.sampling, network.request)
    random = new_generator(config.sampling, seed, device)
    wall, started = time.perf_counter(), _now(clock)
    recorder = Recorder(level)
    codegen_probes, decode_probes = recorder.codegen(network.generator.talker), recorder.decode(network.decoder)
    generation = network.generator.begin(network.request, network.plan, seed, random, codegen_probes)
    codes = torch.stack(list(network.generator.frames(generation)))
    draws, prints = codegen_probes.finish()
    generated = _now(clock)
    codes = codes.to(network.decoder.pre_conv.conv.weight.device)
    session = new_session(network.decoder, config, decode_probes)
    for packet in codes.split(config.stream.packet_tokens):
        session.push(packet)
    session.flush()
    decoded = decode_probes.finish()
    done = _now(clock)
    return _Run(
        frames=len(codes),
        wall_s=time.perf_counter() - wall,
        code_s=generated - started,
        decode_s=done - generated,
        prints=len(prints.value) + len(decoded.value),
        draws=len(draws.id),
    )


def _now(clock: Clock) -> float:
    """The time in s; by the wall clock only once all that is queued on CUDA is done."""
    if clock == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _level_time(level: TraceLevel, runs: Sequence[_Run], plain: Sequence[_Run]) -> LevelTime:
    ratios = sorted(run.total_s / base.total_s for run, base in zip(runs, plain, strict=True))
    low, high = median_interval(ratios)
    frames = runs[0].frames
    return LevelTime(
        level=level,
        frames_a_second=frames / median(run.wall_s for run in runs),
        frame_ms=median(run.total_s for run in runs) * 1e3 / frames,
        code_frame_ms=median(run.code_s for run in runs) * 1e3 / frames,
        decode_frame_ms=median(run.decode_s for run in runs) * 1e3 / frames,
        relative_cost=median(ratios),
        relative_low=low,
        relative_high=high,
        prints=runs[0].prints / frames,
        draws=runs[0].draws / frames,
        frame_p95_ms=float(np.percentile([run.total_s for run in runs], 95)) * 1e3 / frames,
        frame_max_ms=max(run.total_s for run in runs) * 1e3 / frames,
    )


def median_interval(ordered: Sequence[float]) -> tuple[float | None, float | None]:
    """Sorted values -> the closest two of them that have the median between them with a probability of 95 % or more.

    By the sign test (Hettmansperger & McKean, 2011): the kth value from either end leaves out 2 · P(Binomial(n, 1/2) <
    k). (None, None) for fewer than ``LEAST_ROUNDS`` values.
    """
    count = len(ordered)
    if count < LEAST_ROUNDS:
        return None, None
    tail, rank = 0.5**count, 0
    while 2 * (tail + comb(count, rank + 1) * 0.5**count) <= 1 - CONFIDENCE:
        rank += 1
        tail += comb(count, rank) * 0.5**count
    return ordered[rank], ordered[count - 1 - rank]
