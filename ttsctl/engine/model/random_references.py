"""References to clone: speech-like sound from a formula, 24 kHz, 16 bit; the same bytes on any machine.

A pulse train of a moving pitch goes through four formants, which move from vowel to vowel; each syllable has an
envelope and begins with a little noise. It says nothing, so that its text is whatever the voices file says.
"""

from __future__ import annotations

import hashlib
import wave
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.files import written_whole

RATE = 24_000
PEAK = 0.6
SYLLABLE_S = 0.16
NOISE_S = 0.03
# First three formants of vowels (Peterson & Barney, 1952, men), in Hz; the fourth is that of the speaker.
VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (300, 870, 2240),
    (530, 1840, 2480),
    (570, 840, 2410),
    (660, 1720, 2410),
)
FOURTH_HZ = 3500.0
BANDWIDTHS_HZ = (70.0, 90.0, 120.0, 160.0)
Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Speaker:
    """``pitch_hz``: in the middle of a phrase. ``tract``: all formants are those of VOWELS times this."""

    pitch_hz: float
    tract: float
    seconds: float


SPEAKERS = MappingProxyType(
    {
        "low": Speaker(110.0, 1.0, 1.92),
        "low_long": Speaker(110.0, 1.0, 4.8),
        "high": Speaker(205.0, 1.17, 2.5),
    }
)


def write_references(folder: Path) -> None:
    """Write NAME.wav for each of SPEAKERS into ``folder``."""
    for name, speaker in SPEAKERS.items():
        samples = np.round(speech_like(speaker) * (PEAK * 32767)).astype("<i2")
        with written_whole(folder / f"{name}.wav") as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())


def speech_like(speaker: Speaker) -> Wave:
    """(N,) float64 at RATE, of peak 1."""
    count = round(speaker.seconds * RATE)
    time = np.arange(count) / RATE
    place = time / SYLLABLE_S
    syllable, inside = place.astype(np.int64), place % 1.0
    sound = _pulses(speaker, time) * np.sin(np.pi * inside) ** 0.7
    noise = _noise(count) * np.clip(1.0 - inside * SYLLABLE_S / NOISE_S, 0.0, None) * (syllable % 3 != 0)
    spoken = _formants(sound, syllable, speaker) + 0.3 * noise
    # A pause of half a syllable ends each phrase of seven.
    spoken *= np.where((syllable % 7 == 6) & (inside > 0.5), 0.0, 1.0)
    return spoken / np.abs(spoken).max()


def _pulses(speaker: Speaker, time: Wave) -> Wave:
    """Pulses whose pitch falls within a phrase and wavers: the sum of a phase's harmonics, tilted as a glottis does."""
    phrase = time % (7 * SYLLABLE_S) / (7 * SYLLABLE_S)
    pitch = speaker.pitch_hz * (1.15 - 0.3 * phrase + 0.04 * np.sin(2 * np.pi * 4.7 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = range(1, int(0.45 * RATE / (1.25 * speaker.pitch_hz)))
    return np.sum([np.sin(k * phase) / k for k in harmonics], axis=0)


def _formants(sound: Wave, syllable: NDArray[np.int64], speaker: Speaker) -> Wave:
    """The sound of each syllable through the resonators of its vowel, in a row."""
    from scipy.signal import lfilter

    spoken = np.zeros_like(sound)
    for number in range(int(syllable[-1]) + 1):
        at = syllable == number
        part = sound[at]
        vowel = VOWELS[(number * number + 2 * number) % len(VOWELS)]
        for hz, width in zip((*vowel, FOURTH_HZ), BANDWIDTHS_HZ, strict=True):
            radius, angle = np.exp(-np.pi * width / RATE), 2 * np.pi * hz * speaker.tract / RATE
            poles = [1.0, -2 * radius * np.cos(angle), radius**2]
            part = lfilter([sum(poles)], poles, part)
        spoken[at] = part
    return spoken


def _noise(count: int) -> Wave:
    raw = hashlib.shake_128(b"reference noise").digest(2 * count)
    return np.frombuffer(raw, "<i2").astype(np.float64) / 32768.0
