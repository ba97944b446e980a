"""What recording costs: the same speech at every trace level, code generation and decoding timed apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from statistics import median
from typing import Literal

import torch

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request, Voice
from ttsctl.core.trace import TraceLevel
from ttsctl.engine.bench.random_codec import RELEASED_CODEC, random_codec
from ttsctl.engine.bench.random_talker import random_talker, released_talker
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import SamplingPlan, new_generator, plan_sampling, request_seed
from ttsctl.engine.decode.decoding import new_session
from ttsctl.engine.loading import open_decoder, open_generator
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.sizes import TalkerSizes
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.placement import Placement, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance, with_threads
from ttsctl.engine.recording.recorder import codegen_taps, decode_taps
from ttsctl.engine.switches import apply_switches

Clock = Literal["cpu", "wall"]
# The least number of rounds in which the extremes bound the median at 95 %: 1 - 2 / 2^6.
LEAST_ROUNDS = 6
CONFIDENCE = 0.95
LEVELS: tuple[TraceLevel, ...] = ("none", "codes", "stages", "modules")
_TEXT = "Please call a taxi for half past seven tomorrow morning, and ask the driver to wait at the gate."


@dataclass(frozen=True)
class LevelTime:
    """One level, in medians over the rounds, by the bench's clock; ``frames_a_second`` by the wall's.

    ``relative_cost`` is the median of each round's time over that round's time at "none", ``relative_low`` and
    ``relative_high`` its 95 % interval, None for too few rounds. ``prints`` and ``draws``: what was recorded a frame.
    """

    level: TraceLevel
    frames_a_second: float
    frame_ms: float
    code_frame_ms: float
    decode_frame_ms: float
    relative_cost: float
    relative_low: float | None
    relative_high: float | None
    prints: float
    draws: float


@dataclass(frozen=True)
class TraceBench:
    """All levels on one engine, in turn, round after round.

    ``clock``: "cpu", the process's own time, where all is computed on the CPU, for other processes do not lengthen it;
    else "wall".
    """

    network: str
    frames: int
    rounds: int
    clock: Clock
    levels: tuple[LevelTime, ...]
    in_force: dict[str, object]
    provenance: Provenance


@dataclass(frozen=True)
class _Network:
    """What is timed."""

    name: str
    generator: CodeGenerator
    decoder: CodecDecoder
    plan: SamplingPlan
    request: Request
    provenance: Provenance


@dataclass(frozen=True)
class _Run:
    """One round of one level; seconds by the bench's clock, with what it takes to finish the trace."""

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
    """Speak up to ``frames`` frames at every level, ``rounds`` times; in turns.

    ``checkpoint`` None = random weights of the released 0.6B size. A first round that is not counted warms up.
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
        for level in _turns(index):
            run = _speak(network, config, level, clock)
            if index >= 0:
                runs[level].append(run)
    times = tuple(_level_time(level, runs[level], runs["none"]) for level in LEVELS)
    return TraceBench(
        network.name, runs["none"][0].frames, rounds, clock, times, read_back(placement), network.provenance
    )


def _turns(index: int) -> Sequence[TraceLevel]:
    """The levels in the order of a round: each comes first in turn, and backwards as often as forwards."""
    shift = index // 2 % len(LEVELS)
    turned = LEVELS[shift:] + LEVELS[:shift]
    return turned if index % 2 else turned[::-1]


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
        request=_request(opened.sizes),
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
        request=_request(opened.sizes),
        provenance=engine_provenance(opened),
    )


def _request(sizes: TalkerSizes) -> Request:
    """A text by the first speaker, or by a voice in words where there is none."""
    speaker = min(sizes.speakers, default=None)
    return Request(_TEXT, Voice("bench", speaker, instruct=None if speaker else "A calm voice."))


def _speak(network: _Network, config: Config, level: TraceLevel, clock: Clock) -> _Run:
    """One request: all codes, then their decoding packet by packet, each with what its trace takes."""
    device = network.generator.device
    random, _ = new_generator(config.sampling, request_seed(config.sampling, network.request), device)
    wall, started = time.perf_counter(), _now(clock)
    looks, listens = codegen_taps(level, network.generator.talker), decode_taps(level, network.decoder)
    generation = network.generator.begin(network.request, network.plan, random, looks)
    codes = torch.stack(list(network.generator.frames(generation)))
    draws, prints = looks.finish()
    generated = _now(clock)
    codes = codes.to(network.decoder.pre_conv.conv.weight.device)
    session = new_session(network.decoder, config, listens)
    for packet in codes.split(config.stream.packet_tokens):
        session.push(packet)
    session.flush()
    decoded = listens.finish()
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
    """The time in s, on the wall once all that is queued on CUDA is done."""
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
    )


def median_interval(ordered: Sequence[float]) -> tuple[float | None, float | None]:
    """The values, of at least ``LEAST_ROUNDS`` in order, between which the median lies with 95 % or more.

    By the sign test (Hettmansperger & McKean, 2011): k from either end leaves out 2 · P(Binomial(n, 1/2) < k).
    """
    count = len(ordered)
    if count < LEAST_ROUNDS:
        return None, None
    tail, rank = 0.5**count, 0
    while 2 * (tail + comb(count, rank + 1) * 0.5**count) <= 1 - CONFIDENCE:
        rank += 1
        tail += comb(count, rank) * 0.5**count
    return ordered[rank], ordered[count - 1 - rank]
