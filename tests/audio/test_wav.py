"""Reading and writing: what comes back, what is noted, and what is refused."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.audio_helpers import RATE, speech, white
from ttsctl.audio.wav import Subtype, read_audio, resample_audio, write_wav
from ttsctl.core.audio import Audio
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES


def test_float_wav_comes_back_bit_for_bit(tmp_path: Path) -> None:
    sound = white(1000)
    write_wav(tmp_path / "a.wav", sound, RATE)
    back = read_audio(tmp_path / "a.wav")
    assert back.pcm.dtype == np.float32
    assert np.array_equal(back.pcm, sound)
    assert (back.sample_rate, back.notes) == (RATE, ())


def test_pcm16_is_rounded_and_clipped(tmp_path: Path) -> None:
    sound = np.array([0.0, 0.5, -1.0, 1.5, -1.5, 1 / 32768, 0.4 / 32768], dtype=np.float32)
    write_wav(tmp_path / "a.wav", sound, RATE, "PCM_16")
    back = read_audio(tmp_path / "a.wav").pcm * 32768
    assert back.tolist() == [0, 16384, -32768, 32767, -32768, 1, 0]


@pytest.mark.parametrize(
    ("name", "subtype", "step"),
    [("a.wav", "PCM_16", 2**-15), ("a.wav", "PCM_24", 2**-23), ("a.flac", "PCM_16", 2**-15)],
)
def test_integer_files_within_half_a_step(tmp_path: Path, name: str, subtype: str, step: float) -> None:
    sound = speech(0.5)
    soundfile.write(tmp_path / name, sound, RATE, subtype=subtype)
    # libsndfile scales by the full positive range and truncates or rounds: one step at most.
    assert np.max(np.abs(read_audio(tmp_path / name).pcm - sound)) <= 1.01 * step


def test_stereo_is_averaged_with_a_note(tmp_path: Path) -> None:
    left, right = white(500, 1), white(500, 2)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    back = read_audio(tmp_path / "a.wav")
    assert np.allclose(back.pcm, (left + right) / 2, atol=1e-7)
    assert "2 channels" in back.notes[0]


def test_resample_keeps_a_tone_and_notes_it() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    result = resample_audio(Audio(tone, 48_000, ("before",)), RATE)
    expected = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert len(result.pcm) == RATE
    # The filter's ripple, away from its run-in at the ends.
    assert np.max(np.abs(result.pcm - expected)[200:-200]) < 2e-3
    assert result.notes == ("before", "resampled from 48000 to 24000 Hz")
    assert resample_audio(result, RATE) is result


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_audio_is_refused_with_its_place(tmp_path: Path, bad: float) -> None:
    sound = white(1000)
    sound[240] = bad
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"1 NaN or infinite samples \(first at sample 240, 0\.010 s\)"):
        read_audio(tmp_path / "a.wav")


def test_empty_audio_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="no samples"):
        read_audio(tmp_path / "a.wav")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    for path, reason in [("text.wav", "cannot read audio"), ("none.wav", "No such file"), ("", "a folder")]:
        with pytest.raises(InputError, match=reason):
            read_audio(tmp_path / path)


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", white(10), RATE)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(struct.error):
        write_wav(tmp_path / "a.wav", white(10), -RATE)
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_equal_pcm_is_an_equal_file_without_a_time_in_it(tmp_path: Path, subtype: Subtype) -> None:
    sound = speech(0.2)
    write_wav(tmp_path / "a.wav", sound, RATE, subtype)
    write_wav(tmp_path / "b.wav", sound, RATE, subtype)
    written = (tmp_path / "a.wav").read_bytes()
    assert written == (tmp_path / "b.wav").read_bytes()
    # The chunk in which libsndfile keeps the time of day.
    assert b"PEAK" not in written[:200]


def test_a_wav_whose_header_claims_more_says_so(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.wav", tmp_path / "cut.wav"
    write_wav(whole, np.zeros(2400, np.float32), 24000, "PCM_16")
    cut.write_bytes(whole.read_bytes()[:1000])
    assert read_audio(whole).notes == ()
    (note,) = read_audio(cut).notes
    assert "cut.wav is cut off" in note and "4,800" in note


@pytest.mark.parametrize("rate", [1, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_refused(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(2400, np.float32), 24000, "PCM_16")
    raw = bytearray(path.read_bytes())
    raw[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(bytes(raw))
    with pytest.raises(InputError, match=r"sample rate|cannot read audio"):
        read_audio(path)


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(InputError, match="FIFO"):
        read_audio(tmp_path / "a.wav")


def test_three_hours_of_stereo_are_not_too_large_a_file() -> None:
    assert MAX_BYTES["audio"] > 3 * 3600 * 24_000 * 2 * 4
