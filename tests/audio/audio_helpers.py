"""Speech-like sound made in code, and faults planted in it."""

from __future__ import annotations

import functools

import numpy as np
from scipy.signal import lfilter

from ttsctl.audio.bench import speech_like

RATE = 24_000


@functools.cache
def _speech(seconds: float, seed: int) -> np.ndarray:
    sound = speech_like(seconds, seed)
    sound.flags.writeable = False
    return sound


def speech(seconds: float = 6.0, seed: int = 0) -> np.ndarray:
    return _speech(seconds, seed).copy()


def loud_places(sound: np.ndarray, count: int, seed: int = 0, level: float = 0.05, margin: int = 4000) -> list[int]:
    """Samples, at least 0.25 s apart, around which 10 ms on either side are louder than ``level``."""
    generator = np.random.default_rng(seed)
    places: list[int] = []
    for n in generator.permutation(np.arange(margin, len(sound) - margin)).tolist():
        halves = (sound[n - 240 : n], sound[n : n + 240])
        if min(np.std(half) for half in halves) > level and all(abs(n - other) > RATE // 4 for other in places):
            places.append(n)
        if len(places) == count:
            break
    return sorted(places)


def white(samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def without(sound: np.ndarray, start: int, count: int) -> np.ndarray:
    return np.concatenate([sound[:start], sound[start + count :]])


def repeated(sound: np.ndarray, at: int, count: int) -> np.ndarray:
    """The ``count`` samples before ``at`` come twice."""
    return np.concatenate([sound[:at], sound[at - count : at], sound[at:]])


def even_voice(seed: int = 0, seconds: float = 8.0) -> np.ndarray:
    """A voice of one pitch, (seconds * RATE,): its glottal pulses lie on a grid."""
    generator = np.random.default_rng(seed)
    count = round(seconds * RATE)
    pulses = np.zeros(count)
    period = generator.uniform(100, 240)
    at = np.arange(0, count, period).astype(int)
    pulses[at] = generator.uniform(0.9, 1.1, len(at))
    spoken = np.repeat(generator.random(count // 2400 + 1) > 0.25, 2400)[:count]
    sound = lfilter([0.3], [1, -0.7], pulses) * np.convolve(spoken, np.hanning(480) / 240, "same")
    sound += 0.002 * generator.standard_normal(count)
    for frequency, width in ((500, 80), (1500, 120), (2500, 160), (3600, 250)):
        radius = np.exp(-np.pi * width / RATE)
        sound = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], sound)
    sound = 0.5 * sound / np.abs(sound).max() + 1e-4 * generator.standard_normal(count)
    return np.asarray(sound, np.float32)
