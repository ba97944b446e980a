"""Audio that is read piece by piece, from a file or from an array: hours of it need no more memory than seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.audio import PcmArray
from ttsctl.core.errors import InputError

Pcm = NDArray[np.floating]

# Samples of all channels together that are read at once.
BLOCK = 2**20
# A view keeps this many pieces of PIECE samples, because neighbouring stretches are asked for again and again.
PIECE, PIECES = 2**18, 6


@dataclass(frozen=True, eq=False)
class Signal:
    """One channel of ``count`` samples; ``read(start, stop)`` gives samples start <= n < stop of them."""

    sample_rate: int
    count: int
    read: Callable[[int, int], Pcm]


@dataclass(frozen=True, eq=False)
class Sound:
    """``count`` samples of each of ``channels``, full scale 1.0; ``notes`` say what reading them changed.

    ``read(start, stop)`` gives samples start <= n < stop, (stop - start, channels) float32. ``name`` is for messages.
    """

    name: str
    sample_rate: int
    count: int
    channels: int
    read: Callable[[int, int], PcmArray]
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.count / self.sample_rate

    def channel(self, number: int) -> Signal:
        """One channel by its number, from 1."""
        return self._one(lambda block: block[:, number - 1])

    def mix(self) -> Signal:
        """The mean of the channels, float32."""
        return self._one(lambda block: block.mean(axis=1, dtype=np.float64).astype(np.float32))

    def _one(self, of: Callable[[PcmArray], PcmArray]) -> Signal:
        def read(start: int, stop: int) -> PcmArray:
            step = max(BLOCK // self.channels, 1)
            pieces = [of(self.read(at, min(at + step, stop))) for at in range(start, stop, step)]
            return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

        return Signal(self.sample_rate, self.count, read)

    def finite_blocks(self, multiple: int = 1) -> Iterator[tuple[int, PcmArray]]:
        """(start, samples (n, channels)) of each block; n is a multiple of ``multiple`` in all but the last.

        InputError, after the last block, if samples are NaN or infinite; their blocks are left out.
        """
        step = max(BLOCK // self.channels // multiple, 1) * multiple
        count, first = 0, 0
        for start in range(0, self.count, step):
            block = self.read(start, min(start + step, self.count))
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
            if len(bad):
                first = first if count else start + int(bad[0])
                count += len(bad)
            else:
                yield start, block
        if count:
            where = f"first at sample {first}, {first / self.sample_rate:.3f} s"
            raise InputError(f"{self.name} has {count} NaN or infinite samples ({where})", "decode it again")


def signal_of(pcm: Pcm, sample_rate: int) -> Signal:
    """An array (N,) in memory as a signal."""
    return Signal(sample_rate, len(pcm), lambda start, stop: pcm[start:stop])


def sound_of(pcm: PcmArray, sample_rate: int, notes: tuple[str, ...] = (), name: str = "the audio") -> Sound:
    """An array (N,) or (N, channels) in memory as a sound."""
    columns = pcm[:, None] if pcm.ndim == 1 else pcm
    return Sound(name, sample_rate, len(columns), columns.shape[1], lambda start, stop: columns[start:stop], notes)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The pieces of a signal that were read last."""

    signal: Signal
    kept: OrderedDict[int, Pcm] = field(default_factory=OrderedDict)

    def read(self, start: int, stop: int) -> Pcm:
        parts = [
            self._piece(number)[max(start - number * PIECE, 0) : stop - number * PIECE]
            for number in range(start // PIECE, -(-stop // PIECE))
        ]
        return np.concatenate(parts)

    def _piece(self, number: int) -> Pcm:
        if number not in self.kept:
            self.kept[number] = self.signal.read(number * PIECE, min((number + 1) * PIECE, self.signal.count))
            if len(self.kept) > PIECES:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        return self.kept[number]


class SignalView:
    """A signal that looks like an array (N,): its slices are views, and numpy reads the samples once it needs them."""

    def __init__(self, pieces: _Pieces, at: range) -> None:
        self._pieces, self._at = pieces, at

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, part: slice) -> SignalView:
        return SignalView(self._pieces, self._at[part])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        at = self._at
        if not at:
            return np.zeros(0, dtype or np.float32)
        samples = self._pieces.read(min(at[0], at[-1]), max(at[0], at[-1]) + 1)
        return np.asarray(samples[:: at.step], dtype)


def view_of(signal: Signal) -> SignalView:
    """The signal as what looks like an array; steps of slices are 1 and -1."""
    return SignalView(_Pieces(signal), range(signal.count))
