"""What is known of a sound after reading it once: whether it is finite, its level, its largest steps, its outline.

Where a figure is of one signal, that of several channels is the worst one's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ttsctl.audio.lpc import Float
from ttsctl.audio.metrics import frame_rms, frame_samples, percentile
from ttsctl.audio.sound import Pcm, Signal, Sound
from ttsctl.audio.spikes import LargestSteps

COLUMNS = 2000
# A mean of the channels with less than a hundredth of the strongest channel's energy is what they did not cancel.
CANCELLED = 0.01


@dataclass(frozen=True, eq=False)
class Outline:
    """Smallest and largest sample, over all channels, of each of up to COLUMNS equal stretches, (K,) each."""

    low: Float
    high: Float
    duration_s: float


@dataclass(frozen=True, eq=False)
class Overview:
    """What was measured of a sound while it was read once.

    pop_click_score: of the channel that has the largest. spikes_s: steps are taken over all channels. equal_to: for
    each channel the number of the first one with the same samples, from 1. energies: of each channel; mix_energy: of
    their mean.
    """

    pop_click_score: float | None
    spikes_s: tuple[float, ...]
    outline: Outline
    equal_to: tuple[int, ...]
    energies: tuple[float, ...]
    mix_energy: float

    @property
    def strongest(self) -> int:
        """The number of the channel with the most energy."""
        return 1 + int(np.argmax(self.energies))

    @property
    def cancels(self) -> bool:
        """Whether hardly anything is left of the channels in their mean."""
        return self.mix_energy < CANCELLED * max(self.energies)

    def one_signal(self, sound: Sound) -> Signal:
        """One signal for all channels: their mean, or the strongest one if they cancel."""
        if sound.channels == 1:
            return sound.channel(1)
        return sound.channel(self.strongest) if self.cancels else sound.mix()

    def why_signal(self, sound: Sound) -> str | None:
        """What ``one_signal`` is; None for one channel."""
        if sound.channels == 1:
            return None
        if self.cancels:
            return f"the channels cancel: aligned by channel {self.strongest}"
        return f"aligned by the mean of the {sound.channels} channels"


def overview_of(sound: Sound) -> Overview:
    """Read a sound once; InputError for samples that are NaN or infinite."""
    frame = frame_samples(sound.sample_rate)
    steps, outline = LargestSteps(sound.count, sound.sample_rate), OutlineBuilder(sound.count)
    levels: list[list[Float]] = [[] for _ in range(sound.channels)]
    hashes = [hashlib.blake2b() for _ in range(sound.channels)]
    energies, mix_energy = np.zeros(sound.channels), 0.0
    for start, block in sound.finite_blocks(frame):
        steps.add(block)
        outline.add(start, block)
        energies += np.einsum("nc,nc->c", block, block, dtype=np.float64)
        mix = block.mean(axis=1, dtype=np.float64)
        mix_energy += float(mix @ mix)
        for channel, samples in enumerate(np.ascontiguousarray(block.T)):
            levels[channel].append(frame_rms(samples, sound.sample_rate))
            hashes[channel].update(samples)
    digests = [digest.digest() for digest in hashes]
    scores = [percentile(np.abs(np.diff(np.concatenate(frames))), 95) for frames in levels]
    return Overview(
        pop_click_score=max((score for score in scores if score is not None), default=None),
        spikes_s=tuple(steps.times_s()),
        outline=Outline(outline.low, outline.high, sound.duration_s),
        equal_to=tuple(1 + digests.index(digest) for digest in digests),
        energies=tuple(energies.tolist()),
        mix_energy=mix_energy,
    )


class OutlineBuilder:
    """Smallest and largest samples of equal stretches of ``count`` samples, filled block by block."""

    def __init__(self, count: int, columns: int = COLUMNS) -> None:
        self._edges = np.linspace(0, count, min(columns, count) + 1).astype(int)[:-1]
        self.low, self.high = np.full(len(self._edges), np.inf), np.full(len(self._edges), -np.inf)

    def add(self, start: int, block: Pcm) -> None:
        first = int(np.searchsorted(self._edges, start, side="right")) - 1
        stop = int(np.searchsorted(self._edges, start + len(block)))
        at = np.maximum(self._edges[first:stop] - start, 0)
        low, high = np.minimum.reduceat(block.min(axis=1), at), np.maximum.reduceat(block.max(axis=1), at)
        self.low[first:stop] = np.minimum(self.low[first:stop], low)
        self.high[first:stop] = np.maximum(self.high[first:stop], high)
