"""Read, write and resample audio. The file library is imported only when a file is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import gcd
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.sound import Signal, Sound
from ttsctl.core.audio import Audio, PcmArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular, written_whole

# Below speech of any use, and the highest that audio hardware has.
RATES = (1000, 768_000)
MAX_CHANNELS = 64
# The filter of scipy.signal.resample_poly: samples of the lower rate on either side, and the shape of its window.
RESAMPLING_REACH, RESAMPLING_KAISER = 10, 5.0
# A line of libsndfile's log of a wav, in bytes: what the header claims, and what the file has.
_SHORT_DATA = re.compile(r"^data *: (\d+) \(should be (\d+)\)", re.MULTILINE)
Subtype = Literal["FLOAT", "PCM_16"]


@contextmanager
def open_audio(path: Path | str) -> Iterator[Sound]:
    """A wav (16, 24, 32 bit or float), flac or other file of libsndfile, read piece by piece while it is open.

    A header that claims more than the file has is noted. InputError for a file that is not a regular one or cannot be
    read, has no samples, more than ``MAX_CHANNELS`` channels, or a rate outside of ``RATES``. Whether its samples are
    finite shows only as they are read.
    """
    import soundfile

    path = Path(path)
    with open_regular(path, "audio", MAX_BYTES["audio"]) as file, ExitStack() as stack:
        try:
            opened = stack.enter_context(soundfile.SoundFile(file))
        except (OSError, soundfile.LibsndfileError) as error:
            raise _unreadable(path, error) from error
        _check_shape(path, int(opened.samplerate), int(opened.channels), int(opened.frames))

        def read(start: int, stop: int) -> PcmArray:
            try:
                # Some formats cannot be sought, but they can be read from the first sample to the last.
                if opened.tell() != start:
                    opened.seek(start)
                samples = opened.read(stop - start, dtype="float32", always_2d=True)
            except (OSError, soundfile.LibsndfileError) as error:
                raise _unreadable(path, error) from error
            if len(samples) < stop - start:
                raise _unreadable(path, f"it ends after {start + len(samples):,} of {opened.frames:,} samples")
            return np.asarray(samples)

        notes = _cut_off(path, opened.extra_info)
        yield Sound(str(path), int(opened.samplerate), int(opened.frames), int(opened.channels), read, notes)


def read_audio(path: Path | str) -> Audio:
    """A whole file as mono float32; several channels are averaged, with a note.

    InputError as of ``open_audio``, and for samples that are NaN or infinite.
    """
    with open_audio(path) as sound:
        blocks = [block.mean(axis=1, dtype=np.float64).astype(np.float32) for _, block in sound.finite_blocks()]
        notes = sound.notes
        if sound.channels > 1:
            notes = (*notes, f"{sound.channels} channels averaged to mono")
        return Audio(np.concatenate(blocks), sound.sample_rate, notes)


def _unreadable(path: Path, why: object) -> InputError:
    return InputError(f"cannot read audio from {path}: {why}", "pass a wav or flac file")


def _check_shape(path: Path, sample_rate: int, channels: int, count: int) -> None:
    _check_rate(path, sample_rate)
    if count == 0:
        raise InputError(f"{path} holds no samples", "pass a file with audio in it")
    if channels > MAX_CHANNELS:
        raise InputError(f"{path}: expected at most {MAX_CHANNELS} channels, got {channels}", "split the file")


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


def resampled(signal: Signal, sample_rate: int) -> Signal:
    """The signal at another rate, float64: what is read of it is what ``resample_pcm`` makes of the whole."""
    from scipy.signal import firwin, resample_poly

    if signal.sample_rate == sample_rate:
        return signal
    divisor = gcd(signal.sample_rate, sample_rate)
    up, down = sample_rate // divisor, signal.sample_rate // divisor
    # The filter that resample_poly would design anew for each piece.
    reach = RESAMPLING_REACH * max(up, down)
    taps: Any = firwin(2 * reach + 1, 1 / max(up, down), window=("kaiser", RESAMPLING_KAISER))
    count = -(-signal.count * up // down)

    def read(start: int, stop: int) -> NDArray[np.float64]:
        # A piece begins at a multiple of ``down``, where the phases of the filter are those of the whole.
        first = max(start * down // up - reach // up - 1, 0) // down * down
        last = min(-(-stop * down // up) + reach // up + 1, signal.count)
        piece = resample_poly(np.asarray(signal.read(first, last), np.float64), up, down, window=taps)
        offset = first // down * up
        return np.asarray(piece[start - offset : stop - offset])

    return Signal(sample_rate, count, read)


def resample_audio(audio: Audio, sample_rate: int) -> Audio:
    """The same audio at another rate, with a note; unchanged if it has that rate."""
    if audio.sample_rate == sample_rate:
        return audio
    note = f"resampled from {audio.sample_rate} to {sample_rate} Hz"
    pcm = resample_pcm(audio.pcm, audio.sample_rate, sample_rate).astype(np.float32)
    return Audio(pcm, sample_rate, (*audio.notes, note))
