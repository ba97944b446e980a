"""Reads a reference and brings it to the rate of an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, file_sha256, open_regular

# The encoder attends to all rows before each, so its time grows with the square; voices are cloned from 3 to 30 s.
MAX_SECONDS = 300.0
# 16-bit audio that is digital silence but for dither. A voice is at least 40 dB above.
SILENT_PEAK = 10 ** (-70 / 20)


@dataclass(frozen=True, eq=False)
class ReferenceAudio:
    """pcm (N,) float32 mono, full scale 1.0, at ``sample_rate``; ``sha256`` is that of the file's bytes."""

    pcm: PcmArray
    sample_rate: int
    sha256: str


def read_reference(path: Path) -> ReferenceAudio:
    """Read a wav or flac file; several channels are averaged, as the public package does.

    InputError for a file that cannot be read, is empty, silent, longer than MAX_SECONDS, or has NaN samples.
    """
    import soundfile

    with open_regular(path, "reference audio", MAX_BYTES["audio"]) as file:
        digest = file_sha256(file)
        file.seek(0)
        try:
            with soundfile.SoundFile(file) as opened:
                sample_rate, seconds = int(opened.samplerate), opened.frames / opened.samplerate
                if seconds > MAX_SECONDS:
                    what = f"{path}: expected a reference of at most {MAX_SECONDS:g} s, got {seconds:.1f} s"
                    raise InputError(what, "cut it; 3 to 30 s are usual")
                data = opened.read(dtype="float32", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise InputError(f"cannot read audio from {path}: {error}", "pass a wav or flac file") from error
    pcm = np.ascontiguousarray(data.mean(axis=1, dtype=np.float32))
    check_reference(pcm, str(path))
    return ReferenceAudio(pcm, sample_rate, digest)


def check_reference(pcm: PcmArray, name: str) -> None:
    """InputError unless there is something to hear: samples, all finite, louder than SILENT_PEAK."""
    if not len(pcm):
        raise InputError(f"{name}: expected speech, got no samples", "pass a file with audio in it")
    if not np.isfinite(pcm).all():
        raise InputError(f"{name}: expected finite samples, got NaN or infinite ones", "decode it again")
    if float(np.abs(pcm).max()) < SILENT_PEAK:
        raise InputError(f"{name}: expected speech, got silence (peak below -70 dBFS)", "pass the voice's own speech")


def resample_reference(pcm: PcmArray, from_rate: int, to_rate: int) -> PcmArray:
    """pcm (N,) float32 at from_rate -> (ceil(N · (to / from)),) float32 at to_rate, with soxr's high quality.

    The public package resamples through librosa, which calls soxr so and then fits the length. It computes that length
    in floats, so that it may be one more than the exact one: a zero then ends the audio.
    """
    if from_rate == to_rate:
        return pcm
    import soxr

    resampled = soxr.resample(pcm, from_rate, to_rate, quality="HQ")
    wanted = math.ceil(len(pcm) * (float(to_rate) / from_rate))
    fitted = resampled[:wanted]
    return np.ascontiguousarray(np.pad(fitted, (0, wanted - len(fitted))), dtype=np.float32)
