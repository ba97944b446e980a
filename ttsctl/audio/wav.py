"""Read, write and resample audio. The file library is imported only when a file is opened."""

from __future__ import annotations

import re
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.audio import Audio, PcmArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular, written_whole

# Below speech of any use, and the highest that audio hardware has.
RATES = (1000, 768_000)
# A line of libsndfile's log of a wav, in bytes: what the header claims, and what the file has.
_SHORT_DATA = re.compile(r"^data *: (\d+) \(should be (\d+)\)", re.MULTILINE)
Subtype = Literal["FLOAT", "PCM_16"]


def read_audio(path: Path | str) -> Audio:
    """Read a wav (16, 24, 32 bit or float), flac or other file of libsndfile as mono float32, full scale 1.0.

    Several channels are averaged, with a note; so is a header that claims more than the file has. InputError for a file
    that is not a regular one or cannot be read, has no samples, has samples that are NaN or infinite, or has a rate
    outside of ``RATES``.
    """
    import soundfile

    path = Path(path)
    with open_regular(path, "audio", MAX_BYTES["audio"]) as file:
        try:
            with soundfile.SoundFile(file) as opened:
                sample_rate, notes = int(opened.samplerate), _cut_off(path, opened.extra_info)
                _check_rate(path, sample_rate)
                data = opened.read(dtype="float64", always_2d=True)
        except (OSError, soundfile.LibsndfileError) as error:
            raise InputError(f"cannot read audio from {path}: {error}", "pass a wav or flac file") from error
    if len(data) == 0:
        raise InputError(f"{path} holds no samples", "pass a file with audio in it")
    bad = np.flatnonzero(~np.isfinite(data).all(axis=1))
    if len(bad):
        where = f"first at sample {bad[0]}, {bad[0] / sample_rate:.3f} s"
        raise InputError(f"{path} has {len(bad)} NaN or infinite samples ({where})", "decode it again")
    if data.shape[1] > 1:
        notes = (*notes, f"{data.shape[1]} channels averaged to mono")
    return Audio(data.mean(axis=1).astype(np.float32), sample_rate, notes)


def _check_rate(path: Path, sample_rate: int) -> None:
    low, high = RATES
    if not low <= sample_rate <= high:
        raise InputError(
            f"{path}: expected a sample rate from {low} to {high} Hz, got {sample_rate}", "mend the header"
        )


def _cut_off(path: Path, header: str) -> tuple[str, ...]:
    """A note if libsndfile's reading of the header says that the samples end before the length that it claims."""
    found = _SHORT_DATA.search(header)
    if found is None or int(found[1]) <= int(found[2]):
        return ()
    return (f"{path.name} is cut off: its header claims {int(found[1]):,} bytes of samples, it has {int(found[2]):,}",)


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
