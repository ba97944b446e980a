"""Times every decode mode on the same codes, and tells whether later packets cost more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import get_args

import torch
from torch import Tensor

from ttsctl.core.bench_results import DecodeBench, Growth, ModeTime, with_relative_costs
from ttsctl.core.config import Config, DecodeMode
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.provenance import Provenance
from ttsctl.engine.bench.random_networks import RELEASED_CODEC, random_codec
from ttsctl.engine.decode.session import SessionStats
from ttsctl.engine.decode.sessions import new_session
from ttsctl.engine.loading import open_decoder
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.placement import Placement, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance, with_threads
from ttsctl.engine.switches import apply_switches

MODES: tuple[DecodeMode, ...] = get_args(DecodeMode)
# A slope and two quartiles of fewer packets than this would be noise.
LEAST_PACKETS = 4
CONFIDENCE = 0.95


@torch.inference_mode()
def bench_decode(
    config: Config,
    checkpoint: str | None = None,
    frames: int = 48,
    rounds: int = 2,
    seed: int = 0,
    tell: Callable[[str, int, int], None] | None = None,
) -> DecodeBench:
    """Time every mode on ``frames`` random frames, ``rounds`` times; of each time the fastest round counts.

    ``checkpoint`` None = random weights of the released size. Packets and context are those of ``config.stream``.
    ``tell`` is called before each round with its name, number and the number of rounds. InputError for no frames or
    rounds, or for settings that this machine does not have.
    """
    if frames < 1 or rounds < 1:
        raise InputError(f"bench: {frames} frames in {rounds} rounds", "give at least one of each")
    refuse_unavailable(config)
    placement = place(config)
    apply_switches(config)
    decoder, name, provenance = _decoder(checkpoint, placement, seed)
    decoder.set_legacy(config.decoder.padding == "legacy")
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, decoder.sizes.codebook_size, (frames, decoder.sizes.num_quantizers), generator=generator)
    codes = codes.to(placement.decoder_device)
    _round(decoder, config, codes[: config.stream.packet_tokens])
    runs = []
    for index in range(rounds):
        if tell:
            tell("round", index, rounds)
        runs.append(_round(decoder, config, codes))
    modes = with_relative_costs(
        _mode_time(mode, [run[mode] for run in runs], config, decoder.sizes.sample_rate) for mode in MODES
    )
    return DecodeBench(frames, rounds, name, modes, read_back(placement), provenance)


def _decoder(checkpoint: str | None, placement: Placement, seed: int) -> tuple[CodecDecoder, str, Provenance]:
    if checkpoint is None:
        codec = random_codec(RELEASED_CODEC, seed, placement.decoder_device, placement.decoder_dtype)
        return codec.decoder, "released size, random weights", with_threads(collect_provenance())
    opened = open_checkpoint(checkpoint)
    return open_decoder(opened, placement), checkpoint, engine_provenance(opened)


@dataclass(frozen=True)
class _Run:
    """One round of one mode."""

    wall_s: float
    packet_ms: tuple[float, ...]
    stats: SessionStats


def _round(decoder: CodecDecoder, config: Config, codes: Tensor) -> dict[DecodeMode, _Run]:
    """All modes over all codes: each packet through every mode, then the next packet.

    What else the machine does then slows all modes alike.
    """
    tables = {mode: replace(config, decoder=replace(config.decoder, mode=mode)) for mode in MODES}
    sessions = {mode: new_session(decoder, table) for mode, table in tables.items()}
    packet_ms: dict[DecodeMode, list[float]] = {mode: [] for mode in MODES}
    for packet in codes.split(config.stream.packet_tokens):
        for mode, session in sessions.items():
            packet_ms[mode].append(_ms(partial(session.push, packet)))
    flush_ms = {mode: _ms(session.flush) for mode, session in sessions.items()}
    return {
        mode: _Run((sum(packet_ms[mode]) + flush_ms[mode]) / 1e3, tuple(packet_ms[mode]), session.stats)
        for mode, session in sessions.items()
    }


def _ms(work: Callable[[], Tensor]) -> float:
    """How long it takes until its result is there, in ms."""
    started = time.perf_counter()
    result = work()
    if result.is_cuda:
        torch.cuda.current_stream(result.device).synchronize()
    return (time.perf_counter() - started) * 1e3


def _mode_time(mode: DecodeMode, runs: list[_Run], config: Config, sample_rate: int) -> ModeTime:
    """All rounds of a mode -> its figures. A packet's time is that of its fastest round, as noise only ever adds."""
    stats, size = runs[0].stats, config.stream.packet_tokens
    wall_s = min(run.wall_s for run in runs)
    packet_ms: tuple[float, ...] = ()
    steady: list[float] = []
    growth: Growth | None = None
    if mode == "oneshot":
        frame_ms: float | None = wall_s * 1e3 / stats.frames
    else:
        packet_ms = tuple(map(min, zip(*(run.packet_ms for run in runs), strict=True)))
        steady = full_packets(packet_ms, stats.frames, size, config.stream.left_context)
        growth = growth_of(steady)
        frame_ms = median(steady) / size if steady else None
    return ModeTime(
        mode=mode,
        calls=stats.calls,
        samples=stats.samples,
        samples_expected=stats.samples_expected,
        wall_s=wall_s,
        seconds_a_second=wall_s * sample_rate / stats.samples_expected,
        frame_ms=frame_ms,
        relative_cost=None,
        packet_ms=packet_ms,
        growth=growth,
        reason=_reason(mode, len(steady), growth),
        wall_max_s=max(run.wall_s for run in runs),
    )


def _reason(mode: DecodeMode, packets: int, growth: Growth | None) -> str | None:
    if mode == "oneshot":
        return "one call has no packets"
    if growth is None:
        return f"{packets} packets after the context was full, fewer than {LEAST_PACKETS}: give more frames"
    return None


def full_packets(packet_ms: Sequence[float], frames: int, size: int, left_context: int) -> list[float]:
    """Times of the packets of ``size`` frames that start at ``left_context`` or later, and not at 0."""
    first = max(1, -(-left_context // size))
    return list(packet_ms[first : frames // size])


def growth_of(packet_ms: Sequence[float]) -> Growth | None:
    """Growth of the times of packets of equal work, in order; None for fewer than ``LEAST_PACKETS``."""
    if len(packet_ms) < LEAST_PACKETS:
        return None
    from scipy.stats import theilslopes

    slope = theilslopes(packet_ms, alpha=CONFIDENCE)
    quarter = max(1, len(packet_ms) // 4)
    first, last = median(packet_ms[:quarter]), median(packet_ms[-quarter:])
    return Growth(float(slope[0]), float(slope[2]), float(slope[3]), first, last, last / first)
