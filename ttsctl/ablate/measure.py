"""What is measured of each decode of one set of codes, and of every pair of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.ablate.findings import Index, Side
from ttsctl.ablate.pairs import Decoded, PairResult, explain_pairs
from ttsctl.ablate.pop_code_stats import PopCodeStats, pop_code_stats
from ttsctl.audio.metrics import pop_click_score, why_unmeasurable
from ttsctl.audio.pops.detector import detect_pops
from ttsctl.core.audio import PcmArray


@dataclass(frozen=True)
class Pieces:
    """One decode as it came: pcm (N,) float32 and, push by push, the samples it gave and the frames it was given."""

    name: str
    pcm: PcmArray
    samples: tuple[int, ...]
    frames: tuple[int, ...]
    codes_sha256: str

    def packets(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(samples, frames) of the packets that carry audio; frames held back count for the packet that brings them."""
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


@dataclass(frozen=True)
class Measured:
    """Figures of one decode; None with ``reason`` where it has no audio."""

    decoded: Decoded
    pop_click_score: float | None
    pops_per_minute: float | None
    pop_codes: PopCodeStats | None
    reason: str | None


def measure(pieces: Pieces, jumps: Index, sample_rate: int, seed: int) -> Measured:
    """Pops of one decode, and where they sit; jumps (T-1, Q) as in ``codes.jumps``, ``seed`` for its permutations."""
    samples, frames = pieces.packets()
    why = why_unmeasurable(pieces.pcm)
    if why:
        side = Side(pieces.name, pieces.pcm, samples, pieces.codes_sha256)
        return Measured(Decoded(side, sample_rate, None), None, None, None, why)
    report = detect_pops(pieces.pcm, sample_rate)
    side = Side(pieces.name, pieces.pcm, samples, pieces.codes_sha256, tuple(report.times_s))
    return Measured(
        decoded=Decoded(side, sample_rate, report),
        pop_click_score=pop_click_score(pieces.pcm, sample_rate),
        pops_per_minute=60 * len(report.pops) * sample_rate / len(pieces.pcm),
        pop_codes=pop_code_stats(report.pops, side, frames, jumps, seed) if len(jumps) else None,
        reason=None if len(jumps) else "one frame has no code jump",
    )


def pairs_of(measured: Sequence[Measured]) -> list[PairResult]:
    """Every pair, in order."""
    return explain_pairs([one.decoded for one in measured])
