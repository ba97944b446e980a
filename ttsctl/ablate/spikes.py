"""The largest steps of the audio from one sample to the next, and how the codes change where they are.

The plain measure beside the pops: it has an answer also where no pop is found, but finds consonants as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ttsctl.ablate.findings import Index, Side
from ttsctl.audio.metrics import spike_times
from ttsctl.audio.spikes import SPIKES

# A variant shows a spike of another one if its own in that frame has at least this share of the size.
ALIKE = 0.5


@dataclass(frozen=True)
class VariantSpike:
    """One spike of one variant: its time, its size |x[n+1] - x[n]| (full scale 1.0), and the frame of sample n+1."""

    time_s: float
    step: float
    frame: int


@dataclass(frozen=True)
class Spike:
    """The spikes in one frame of the codes, over all variants.

    time_s and step: of the largest of them, which ``largest_in`` has. variants: those whose spike in the frame has at
    least ALIKE of its size. codes_changed: how many of the frame's ``codebooks`` ids differ from those of the frame
    before; jump_mean: mean of the step |c[t] - c[t-1]| over the codebooks, in ids. Both are None in frame 0.
    """

    time_s: float
    step: float = field(metadata={"description": "|x[n+1] - x[n]|, full scale 1.0"})
    frame: int
    codes_changed: int | None = field(metadata={"description": "null in frame 0"})
    codebooks: int
    jump_mean: float | None
    largest_in: str
    variants: tuple[str, ...]


def frame_of(sample: int, side: Side, packet_frames: Sequence[int], last: int) -> tuple[int, int, int]:
    """(frame, packet, samples from the start of the packet) of a sample of ``side``; ``last``: the last frame.

    The frame is computed from the packet's number of frames, so if the packet lost samples, a sample near the end of a
    frame may be put into the frame before.
    """
    packet = int(np.searchsorted(side.starts, sample, side="right")) - 1
    position = sample - int(side.starts[packet])
    within = position * packet_frames[packet] // side.packet_samples[packet]
    return min(sum(packet_frames[:packet]) + within, last), packet, position


def variant_spikes(side: Side, packet_frames: Sequence[int], last: int, sample_rate: int) -> tuple[VariantSpike, ...]:
    """The SPIKES largest spikes of finite audio, in order of time; arguments as of ``frame_of``."""
    found = []
    for time_s in spike_times(side.pcm, sample_rate):
        sample = round(time_s * sample_rate)
        step = abs(float(side.pcm[sample + 1]) - float(side.pcm[sample]))
        found.append(VariantSpike(time_s, step, frame_of(sample + 1, side, packet_frames, last)[0]))
    return tuple(found)


def largest_spikes(by_variant: dict[str, tuple[VariantSpike, ...]], jumps: Index) -> tuple[Spike, ...]:
    """The SPIKES frames with the largest spikes, the largest first.

    jumps (T-1, Q): row t-1 is the step into frame t.
    """
    in_frame: dict[int, dict[str, VariantSpike]] = {}
    for name, spikes in by_variant.items():
        for spike in sorted(spikes, key=lambda spike: spike.step):
            in_frame.setdefault(spike.frame, {})[name] = spike
    rows = [_spike(frame, named, jumps) for frame, named in in_frame.items()]
    return tuple(sorted(rows, key=lambda row: (-row.step, row.frame))[:SPIKES])


def _spike(frame: int, named: dict[str, VariantSpike], jumps: Index) -> Spike:
    name, largest = max(named.items(), key=lambda item: item[1].step)
    into = jumps[frame - 1] if frame else None
    return Spike(
        time_s=largest.time_s,
        step=largest.step,
        frame=frame,
        codes_changed=None if into is None else int(np.count_nonzero(into)),
        codebooks=jumps.shape[1],
        jump_mean=None if into is None else float(into.mean()),
        largest_in=name,
        variants=tuple(other for other, spike in named.items() if spike.step >= ALIKE * largest.step),
    )
