"""Reads a reference and brings it to the rate of an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, file_sha256, open_regular

# At released size the encoder's first layers take about 23 MB a second of audio, and its attention grows with the
# square; voices are cloned from 3 to 30 s.
MAX_SECONDS = 120.0
# Of all channels together: a minute of eight channels at 96 kHz, two of stereo at 192 kHz.
MAX_VALUES = 46_080_000
RATES = (1000, 768_000)
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

    InputError for a file that cannot be read to its end, is empty, silent, longer than MAX_SECONDS, of more than
    MAX_VALUES values or a rate outside of RATES, or has NaN samples.
    """
    import soundfile

    with open_regular(path, "reference audio", MAX_BYTES["audio"]) as file:
        digest = file_sha256(file)
        file.seek(0)
        try:
            with soundfile.SoundFile(file) as opened:
                sample_rate, samples = int(opened.samplerate), int(opened.frames)
                _check_size(path, sample_rate, samples, int(opened.channels))
                data = opened.read(samples, dtype="float32", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise InputError(f"cannot read audio from {path}: {error}", "pass a wav or flac file") from error
    if len(data) < samples:
        what = f"cannot read audio from {path}: it ends after {len(data):,} of {samples:,} samples"
        raise InputError(what, "copy it again")
    pcm = np.ascontiguousarray(data.mean(axis=1, dtype=np.float32))
    check_reference(pcm, str(path))
    return ReferenceAudio(pcm, sample_rate, digest)


def _check_size(path: Path, sample_rate: int, samples: int, channels: int) -> None:
    """InputError before anything is read, for what would take too much time or memory."""
    low, high = RATES
    if not low <= sample_rate <= high:
        what = f"{path}: expected a sample rate from {low} to {high} Hz, got {sample_rate}"
        raise InputError(what, "mend the header")
    seconds = samples / sample_rate
    if seconds > MAX_SECONDS:
        what = f"{path}: expected a reference of at most {MAX_SECONDS:g} s, got {seconds:.1f} s"
        raise InputError(what, "cut it; 3 to 30 s are usual")
    if samples * channels > MAX_VALUES:
        what = f"{path}: expected at most {MAX_VALUES:,} values, got {samples:,} samples of {channels} channels"
        raise InputError(what, "give one channel, at 24 kHz")


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
