"""How fast the detector and the alignment are, on speech-like sound that this module makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lag.path import find_lag_path
from ttsctl.audio.pops.detector import DETECTOR_RATE, detect_pops
from ttsctl.core.audio import PcmArray

FORMANTS_HZ = ((500, 80), (1500, 120), (2500, 160), (3600, 250))
PACKET, LOST = 7680, 555
# The first run also pays for imports and memory, so the fastest of several is reported.
REPEATS = 3
# How pydantic holds the results in a summary: no unknown key, no NaN or infinity.
_CHECKED: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False, "revalidate_instances": "always"}
T = TypeVar("T")


@dataclass(frozen=True)
class DetectorTime:
    """The pop detector's time on ``audio_s`` of sound; ``x_realtime`` is seconds of sound per second of CPU time."""

    __pydantic_config__ = _CHECKED
    audio_s: float
    wall_s: float
    cpu_s: float
    x_realtime: float
    pops: int


@dataclass(frozen=True)
class AlignmentTime:
    """The alignment's time on ``audio_s`` of sound, and how many of the jumps made in it were found."""

    __pydantic_config__ = _CHECKED
    audio_s: float
    wall_s: float
    cpu_s: float
    coverage: float
    jumps: int
    jumps_of_expected_size: int
    jumps_expected: int


@dataclass(frozen=True)
class PopsBench:
    """The times of the detector and of the alignment."""

    detector: DetectorTime
    alignment: AlignmentTime


def speech_like(seconds: float, seed: int, sample_rate: int = DETECTOR_RATE) -> PcmArray:
    """Speech-like sound (seconds * sample_rate,) float32, peak 0.5: syllables with pauses between them.

    A syllable is pulses of a gliding pitch and noise through four formants. Each has a pitch, formants and a length of
    its own, so no two are equal.
    """
    generator = np.random.default_rng(seed)
    count = round(seconds * sample_rate)
    pieces: list[NDArray[np.float64]] = []
    total = 0
    while total < count:
        pieces.append(_syllable(generator, sample_rate))
        pieces.append(np.zeros(int(generator.uniform(0.01, 0.12) * sample_rate)))
        total += len(pieces[-2]) + len(pieces[-1])
    sound = np.concatenate(pieces)[:count]
    sound = 0.5 * sound / np.abs(sound).max() + 1e-4 * generator.standard_normal(count)
    clipped: PcmArray = np.clip(sound, -1, 1).astype(np.float32)
    return clipped


def _syllable(generator: np.random.Generator, sample_rate: int) -> NDArray[np.float64]:
    """One vowel with a breath of noise, faded in and out."""
    from scipy.signal import lfilter

    length = int(generator.uniform(0.1, 0.35) * sample_rate)
    pitch = generator.uniform(90, 220) * np.linspace(1, generator.uniform(0.85, 1.15), length)
    phase = np.cumsum(pitch / sample_rate)
    pulses = np.diff(np.floor(phase), prepend=0.0) * generator.uniform(0.9, 1.1, length)
    sound = lfilter([0.3], [1, -0.7], pulses) + 0.004 * generator.standard_normal(length)
    for frequency, width in FORMANTS_HZ:
        radius = np.exp(-np.pi * width / sample_rate)
        angle = 2 * np.pi * frequency * generator.uniform(0.75, 1.3) / sample_rate
        sound = lfilter([1.0], [1, -2 * radius * np.cos(angle), radius**2], sound)
    fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.02 * sample_rate))
    return np.asarray(sound / np.sqrt(np.mean(sound**2)) * fade**2 * generator.uniform(0.3, 1.0))


def without_packet_ends(pcm: PcmArray, packet: int = PACKET, lost: int = LOST) -> PcmArray:
    """``pcm`` without the last ``lost`` samples of each whole packet, as a decoder that drops the tail leaves it."""
    starts = range(0, len(pcm), packet)
    return np.concatenate([pcm[s : s + packet - lost] if s + packet <= len(pcm) else pcm[s:] for s in starts])


def bench_pops(seconds: float = 60.0, align_seconds: float = 600.0, seed: int = 0) -> PopsBench:
    """Time the detector on ``seconds`` of sound and the alignment of ``align_seconds`` with a copy without packet ends.

    The fastest of REPEATS runs of the detector counts.
    """
    unit = speech_like(min(align_seconds, 60.0), seed)
    sound = np.tile(unit, int(np.ceil(seconds * DETECTOR_RATE / len(unit))))[: round(seconds * DETECTOR_RATE)]
    runs = [_timed(lambda: detect_pops(sound, DETECTOR_RATE)) for _ in range(REPEATS)]
    report, wall_s, cpu_s = min(runs, key=lambda run: run[2])
    detector = DetectorTime(seconds, wall_s, cpu_s, seconds / max(cpu_s, 1e-9), len(report.pops))
    parts = [speech_like(60.0, seed + 1 + k) for k in range(int(np.ceil(align_seconds / 60.0)))]
    whole = np.concatenate(parts)[: round(align_seconds * DETECTOR_RATE)]
    path, wall_s, cpu_s = _timed(lambda: find_lag_path(whole, without_packet_ends(whole)))
    alignment = AlignmentTime(
        audio_s=align_seconds,
        wall_s=wall_s,
        cpu_s=cpu_s,
        coverage=path.coverage,
        jumps=len(path.jumps),
        jumps_of_expected_size=sum(jump.samples == -LOST for jump in path.jumps),
        jumps_expected=len(whole) // PACKET,
    )
    return PopsBench(detector, alignment)


def _timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What ``work`` gives, and the wall and CPU seconds that it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu
