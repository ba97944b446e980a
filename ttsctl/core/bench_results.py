"""What the benches measure: plain values, so that a summary can hold them without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ttsctl.core.provenance import Provenance

# How pydantic holds them in a summary: no unknown key, no NaN or infinity.
CHECKED: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False, "revalidate_instances": "always"}


@dataclass(frozen=True)
class Growth:
    """How a packet's cost changes with its position: Theil-Sen slope with its 95 % interval, and quartile medians.

    ``ratio`` is the last quartile's median over the first's; 1 = no growth.
    """

    __pydantic_config__ = CHECKED
    slope_ms_a_packet: float
    slope_low: float
    slope_high: float
    first_quartile_ms: float
    last_quartile_ms: float
    ratio: float


@dataclass(frozen=True)
class ModeTime:
    """One decode mode. ``seconds_a_second`` is wall seconds per second of audio in the fastest round.

    ``frame_ms`` is the cost of a frame in a running stream: the median packet after the context is full, over its
    frames; for oneshot, the whole. ``relative_cost`` is ``frame_ms`` over oneshot's (see ``with_relative_costs``).
    ``packet_ms`` is by position, each the fastest of all rounds; empty for oneshot.
    """

    __pydantic_config__ = CHECKED
    mode: str
    calls: int
    samples: int
    samples_expected: int
    wall_s: float
    seconds_a_second: float
    frame_ms: float | None
    relative_cost: float | None
    packet_ms: tuple[float, ...]
    growth: Growth | None
    # pydantic takes the description from the metadata; core does not import pydantic.
    reason: str | None = field(metadata={"description": "why a value is null"})
    wall_max_s: float | None = field(default=None, metadata={"description": "of the slowest round"})


@dataclass(frozen=True)
class DecodeBench:
    """All decode modes on the same codes, on one decoder, in one run."""

    frames: int
    rounds: int
    codec: str
    modes: tuple[ModeTime, ...]
    in_force: dict[str, object]
    provenance: Provenance


@dataclass(frozen=True)
class LevelTime:
    """One trace level, in medians over the rounds, by the bench's clock; ``frames_a_second`` by the wall clock.

    ``frame_p95_ms`` and ``frame_max_ms``: the 95th percentile and the slowest of the rounds.

    ``relative_cost`` is the median of each round's time over that round's time at the level "none", ``relative_low``
    and ``relative_high`` its 95 % interval, None for fewer than 6 rounds. ``prints`` and ``draws`` are those a frame.
    """

    __pydantic_config__ = CHECKED
    level: str
    frames_a_second: float
    frame_ms: float
    code_frame_ms: float
    decode_frame_ms: float
    relative_cost: float
    relative_low: float | None
    relative_high: float | None
    prints: float
    draws: float
    frame_p95_ms: float | None = None
    frame_max_ms: float | None = None


@dataclass(frozen=True)
class TraceBench:
    """All trace levels on one engine, in turn, round after round.

    ``clock`` is "cpu", the process's own time, if all is computed on the CPU, as other processes do not lengthen it;
    else "wall".
    """

    network: str
    frames: int
    rounds: int
    clock: str
    levels: tuple[LevelTime, ...]
    in_force: dict[str, object]
    provenance: Provenance


@dataclass(frozen=True)
class VoiceStage:
    """What one stage of cloning a voice takes, in wall ms: the median, fastest and slowest round.

    ``reference_second_ms``: per second of reference, and ``wall_x_realtime``, its inverse; None for a copy.
    """

    __pydantic_config__ = CHECKED
    stage: str
    ms: float
    fastest_ms: float
    slowest_ms: float
    reference_second_ms: float | None
    wall_x_realtime: float | None


@dataclass(frozen=True)
class VoiceBench:
    """The stages of cloning a voice from a reference of ``seconds``, which are ``frames`` of codes."""

    network: str
    seconds: float
    frames: int
    rounds: int
    stages: tuple[VoiceStage, ...]
    in_force: dict[str, object]
    provenance: Provenance


@dataclass(frozen=True)
class CodegenStageTime:
    """What one stage of a frame takes, in wall ms: the median, fastest and slowest frame."""

    __pydantic_config__ = CHECKED
    stage: str
    ms: float
    fastest_ms: float
    slowest_ms: float


@dataclass(frozen=True)
class CodegenBench:
    """Frames of code generation on the CPU, and the time that reading their weights takes: the floor.

    ``frame_ms`` is the median wall time, ``frame_cpu_ms`` the process's own, mean of all frames and threads.
    ``weight_bytes`` are read a frame; ``memory_gb_s`` (1e9 bytes a second) is what as many threads read of memory in
    sums, measured in the same run; ``floor_ms`` is one over the other, ``over_floor`` the fastest frame over it.
    """

    network: str
    frames: int
    threads: int
    dtype: str
    stages: tuple[CodegenStageTime, ...]
    frame_ms: float
    frame_fastest_ms: float
    frame_cpu_ms: float
    weight_bytes: int
    memory_gb_s: float
    floor_ms: float
    over_floor: float
    in_force: dict[str, object]
    provenance: Provenance


def with_relative_costs(modes: Iterable[ModeTime]) -> tuple[ModeTime, ...]:
    """The modes with ``relative_cost`` over oneshot's ``frame_ms``; None if either is missing."""
    modes = tuple(modes)
    base = next((mode.frame_ms for mode in modes if mode.mode == "oneshot"), None)
    return tuple(
        replace(mode, relative_cost=mode.frame_ms / base if mode.frame_ms is not None and base else None)
        for mode in modes
    )
