"""What is found does not depend on where a file begins: cut the start off, and the same pops come, moved by the cut."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.audio.audio_helpers import RATE, even_voice, loud_places, repeated, speech, without
from ttsctl.audio.bench import without_packet_ends
from ttsctl.audio.pops.detector import PopReport, detect_pops
from ttsctl.audio.wav import read_audio, resample_pcm

CUTS = (1, 555, 777, 1000, 1920)
# Pops this close to the cut may differ.
CLEAR = RATE // 20


def with_faults(sound: np.ndarray) -> np.ndarray:
    """Faults loud and faint, so that some lie near every threshold."""
    generator = np.random.default_rng(1)
    for n in loud_places(sound, 12, seed=2)[::-1]:
        if generator.random() < 0.5:
            sound[n : n + 2] += np.array([1, -0.6], np.float32) * 10 ** generator.uniform(-2.2, -0.7)
        elif generator.random() < 0.5:
            sound = without(sound, n, int(generator.integers(30, 600)))
        else:
            sound = repeated(sound, n, 200)
    return sound


def assert_same_after_cuts(sound: np.ndarray) -> None:
    whole = detect_pops(sound, RATE)
    for cut in CUTS:
        found = detect_pops(sound[cut:], RATE)
        assert moved(found, 0) == moved(whole, cut), f"cut {cut}"


def moved(found: PopReport, by: int) -> list[tuple[int, str | None, float]]:
    return [(p.sample - by, p.kind, p.strength_db) for p in found.pops if p.sample >= by + CLEAR]


@pytest.mark.parametrize("seed", range(3))
def test_faults_and_seams_in_made_speech(seed: int) -> None:
    assert_same_after_cuts(with_faults(speech(12.0, seed)))
    assert_same_after_cuts(without_packet_ends(speech(8.0, seed)))


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("voice", ["en-us", "cmn", "de+klatt"])
def test_faults_and_seams_in_the_speech_of_espeak(voice: str) -> None:
    import soundfile

    text = "Rain is likely in the north, while the southern islands will have a mild and sunny afternoon."
    spoken = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True, timeout=60)
    pcm, rate = soundfile.read(io.BytesIO(spoken.stdout), dtype="float32")
    sound = resample_pcm(pcm, rate, RATE).astype(np.float32)
    assert_same_after_cuts(with_faults(sound.copy()))
    assert_same_after_cuts(without_packet_ends(sound))


@pytest.mark.slow
def test_the_audio_of_the_builtin_engine(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ttsctl",
        "synth",
        "One, two, three, four. Testing the room.",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, capture_output=True, check=True, timeout=300)
    assert_same_after_cuts(read_audio(tmp_path / "synth" / "latest" / "stream.wav").pcm)


@pytest.mark.parametrize("seed", range(4))
def test_the_pulses_of_an_even_voice_are_no_seams_but_its_seams_are(seed: int) -> None:
    sound = even_voice(seed)
    assert detect_pops(sound, RATE).grids == ()
    assert 7125 in [grid.period_samples for grid in detect_pops(without_packet_ends(sound), RATE).grids]
