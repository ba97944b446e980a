"""Read, write and resample audio. The file library is imported only when a file is opened."""

from __future__ import annotations

from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.audio import Audio, PcmArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import written_whole

Subtype = Literal["FLOAT", "PCM_16"]


def read_audio(path: Path | str) -> Audio:
    """Read a wav (16, 24, 32 bit or float), flac or other file of libsndfile as mono float32, full scale 1.0.

    Several channels are averaged, with a note. InputError for a file that cannot be read, has no samples, or has
    samples that are NaN or infinite.
    """
    import soundfile

    path = Path(path)
    try:
        data, sample_rate = soundfile.read(str(path), dtype="float64", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        reason = "no such file" if not path.exists() else "a folder" if path.is_dir() else str(error)
        raise InputError(f"cannot read audio from {path}: {reason}", "pass a wav or flac file") from error
    if len(data) == 0:
        raise InputError(f"{path} holds no samples", "pass a file with audio in it")
    bad = np.flatnonzero(~np.isfinite(data).all(axis=1))
    if len(bad):
        where = f"first at sample {bad[0]}, {bad[0] / sample_rate:.3f} s"
        raise InputError(f"{path} has {len(bad)} NaN or infinite samples ({where})", "decode it again")
    notes: tuple[str, ...] = ()
    if data.shape[1] > 1:
        notes = (f"{data.shape[1]} channels averaged to mono",)
    return Audio(data.mean(axis=1).astype(np.float32), int(sample_rate), notes)


def write_wav(path: Path | str, pcm: PcmArray, sample_rate: int, subtype: Subtype = "FLOAT") -> None:
    """Write mono PCM (N,) as a complete wav. FLOAT keeps every bit; PCM_16 rounds to 1/32768 and clips to [-1, 1).

    Equal PCM gives equal files. libsndfile would put the time of day into a float wav's PEAK chunk, so scipy writes it.
    """
    from scipy.io import wavfile

    data = np.ascontiguousarray(pcm, dtype=np.float32)
    if subtype == "PCM_16":
        scaled = np.round(data.astype(np.float64) * 32768)
        data = np.clip(scaled, -32768, 32767).astype(np.int16)
    with written_whole(Path(path)) as temporary:
        wavfile.write(str(temporary), sample_rate, data)


def resample_pcm(pcm: NDArray[np.floating], from_rate: int, to_rate: int) -> NDArray[np.float64]:
    """pcm (N,) at from_rate -> (ceil(N * to / from),) float64 at to_rate; polyphase, Kaiser-windowed sinc."""
    from scipy.signal import resample_poly

    divisor = gcd(from_rate, to_rate)
    return np.asarray(resample_poly(np.asarray(pcm, np.float64), to_rate // divisor, from_rate // divisor))


def resample_audio(audio: Audio, sample_rate: int) -> Audio:
    """The same audio at another rate, with a note; unchanged if it has that rate."""
    if audio.sample_rate == sample_rate:
        return audio
    note = f"resampled from {audio.sample_rate} to {sample_rate} Hz"
    pcm = resample_pcm(audio.pcm, audio.sample_rate, sample_rate).astype(np.float32)
    return Audio(pcm, sample_rate, (*audio.notes, note))
