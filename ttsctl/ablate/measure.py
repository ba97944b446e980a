"""What is measured of each decode of one set of codes: its pops, where they sit, and its roughness."""

from __future__ import annotations

from dataclasses import dataclass

from ttsctl.ablate.findings import Index, Side
from ttsctl.ablate.pop_code_stats import PopCodeStats, pop_code_stats
from ttsctl.ablate.spikes import VariantSpike, variant_spikes
from ttsctl.audio.metrics import pop_click_score, why_unmeasurable
from ttsctl.audio.pops.detector import PopReport, detect_pops
from ttsctl.core.audio import PcmArray


@dataclass(frozen=True, eq=False)
class PushedDecode:
    """One decode as it came: pcm (N,) float32 and, for each push, the samples that came and the frames that went in."""

    name: str
    pcm: PcmArray
    samples: tuple[int, ...]
    frames: tuple[int, ...]
    codes_sha256: str

    def packets(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(samples, frames) of the packets with audio; frames that gave none yet count for the packet that follows."""
        samples: list[int] = []
        frames: list[int] = []
        held = 0
        for count, given in zip(self.samples, self.frames, strict=True):
            held += given
            if count:
                samples.append(count)
                frames.append(held)
                held = 0
        return tuple(samples), tuple(frames)


@dataclass(frozen=True, eq=False)
class MeasuredDecode:
    """One decode at ``sample_rate`` Hz and its figures; those of the audio are None, with ``reason``, without audio.

    ``pop_codes`` is also None, with ``reason``, for a single frame, which has no code jump.
    """

    side: Side
    sample_rate: int
    pops: PopReport | None
    pop_click_score: float | None
    pops_per_minute: float | None
    pop_codes: PopCodeStats | None
    reason: str | None
    spikes: tuple[VariantSpike, ...] = ()


def measure_decode(decode: PushedDecode, jumps: Index, sample_rate: int, seed: int) -> MeasuredDecode:
    """Measure one decode. jumps (T-1, Q): row t-1 is the step into frame t; seed: of the permutations of the jumps."""
    samples, frames = decode.packets()
    why = why_unmeasurable(decode.pcm)
    if why:
        side = Side(decode.name, decode.pcm, samples, decode.codes_sha256)
        return MeasuredDecode(side, sample_rate, None, None, None, None, why)
    found = detect_pops(decode.pcm, sample_rate)
    side = Side(decode.name, decode.pcm, samples, decode.codes_sha256, tuple(found.times_s))
    return MeasuredDecode(
        side=side,
        sample_rate=sample_rate,
        pops=found,
        pop_click_score=pop_click_score(decode.pcm, sample_rate),
        pops_per_minute=60 * len(found.pops) * sample_rate / len(decode.pcm),
        pop_codes=pop_code_stats(found.pops, side, frames, jumps, seed) if len(jumps) else None,
        reason=None if len(jumps) else "one frame has no code jump",
        spikes=variant_spikes(side, frames, len(jumps), sample_rate),
    )
