"""Whether pops sit at seams, at jumps of the codes, or elsewhere.

The place of a pop within its packet is known to the sample. Its frame is computed from the packet's number of frames,
so if the packet lost samples, a pop near the end of a frame may be put into the frame before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ttsctl.ablate.findings import Float, Index, Side
from ttsctl.ablate.spikes import frame_of
from ttsctl.audio.pops.detector import Pop

TOP = 20
AT_SEAM_SAMPLES = 48
DRAWS = 2000
SIGNIFICANT = 0.01
MIN_POPS = 3

PopVerdict = Literal["at seams", "at code jumps", "at seams and code jumps", "elsewhere"]


@dataclass(frozen=True)
class PopAtCodes:
    """One pop: its frame, its packet, and the step |c[t] - c[t-1]| of the codes into its frame, in ids.

    position: samples from the start of the packet. seam_distance: samples to the nearest seam, None if there is no
    seam. jumps (Q,): the step of each codebook; jump_max and jump_mean are over the codebooks. All three are None in
    frame 0, which has no frame before it.
    """

    time_s: float
    kind: str | None
    strength_db: float
    frame: int
    packet: int
    position: int = field(metadata={"description": "samples from the start of the packet"})
    seam_distance: int | None
    jumps: tuple[int, ...] | None
    jump_max: int | None
    jump_mean: float | None


@dataclass(frozen=True)
class PopCodeStats:
    """The TOP strongest pops, and a verdict over all ``count`` pops.

    at_seams: pops within 2 ms of a seam. mean_jump: mean over the pops of the step into their frames, in ids. seam_p:
    share of draws with as many places at seams, of as many places as pops, uniform over the audio. jump_p: share of
    permutations of the frames' steps with as large a mean_jump. Both count the observed value as one draw (Phipson &
    Smyth 2010, "Permutation P-values should never be zero"). verdict: a ``PopVerdict``, None with ``reason`` if there
    are too few pops.
    """

    pops: tuple[PopAtCodes, ...]
    count: int
    at_seams: int
    seam_p: float | None = field(metadata={"description": "null without seams or with too few pops"})
    mean_jump: float | None
    jump_p: float | None
    verdict: str | None
    reason: str | None


def pop_code_stats(
    pops: tuple[Pop, ...], side: Side, packet_frames: tuple[int, ...], jumps: Index, seed: int
) -> PopCodeStats:
    """Test the pops of ``side`` against its seams and against the steps of the codes.

    jumps (T-1, Q) int64: row t-1 is the step into frame t. packet_frames: frames of each packet of ``side``. seed: of
    the permutations' own generator.
    """
    rows = [_place(pop, side, packet_frames, jumps) for pop in pops]
    strongest = sorted(rows, key=lambda row: -row.strength_db)[:TOP]
    top = tuple(sorted(strongest, key=lambda row: row.time_s))
    generator = np.random.default_rng(seed)
    near = [row.seam_distance for row in rows if row.seam_distance is not None]
    at_seams = sum(distance <= AT_SEAM_SAMPLES for distance in near)
    if len(rows) < MIN_POPS:
        return PopCodeStats(top, len(rows), at_seams, None, None, None, None, f"{len(rows)} pops; {MIN_POPS} needed")
    seam_p = _seam_p(at_seams, len(rows), side, generator) if len(side.seams) else None
    mean, jump_p = _jump_p(np.array([row.frame for row in rows]), jumps.mean(axis=1), generator)
    return PopCodeStats(top, len(rows), at_seams, seam_p, mean, jump_p, _verdict(seam_p, jump_p), None)


def _place(pop: Pop, side: Side, packet_frames: tuple[int, ...], jumps: Index) -> PopAtCodes:
    frame, packet, position = frame_of(pop.sample, side, packet_frames, len(jumps))
    step = jumps[frame - 1] if frame else None
    return PopAtCodes(
        time_s=pop.time_s,
        kind=pop.kind,
        strength_db=pop.strength_db,
        frame=frame,
        packet=packet,
        position=position,
        seam_distance=int(np.abs(side.seams - pop.sample).min()) if len(side.seams) else None,
        jumps=None if step is None else tuple(step.tolist()),
        jump_max=None if step is None else int(step.max()),
        jump_mean=None if step is None else float(step.mean()),
    )


def _seam_p(at_seams: int, count: int, side: Side, generator: np.random.Generator) -> float:
    places = generator.integers(0, len(side.pcm), (DRAWS, count))
    after = np.searchsorted(side.seams, places)
    last = len(side.seams) - 1
    distance = np.minimum(
        np.abs(side.seams[np.minimum(after, last)] - places), np.abs(side.seams[np.maximum(after - 1, 0)] - places)
    )
    drawn = (distance <= AT_SEAM_SAMPLES).sum(axis=1)
    return float((1 + np.count_nonzero(drawn >= at_seams)) / (1 + DRAWS))


def _jump_p(frames: Index, jump: Float, generator: np.random.Generator) -> tuple[float | None, float | None]:
    """(mean step into the pops' frames, its p-value); (None, None) if all pops are in frame 0, which has no step."""
    rows = frames[frames > 0] - 1
    if not len(rows):
        return None, None
    observed = float(jump[rows].mean())
    drawn = np.array([generator.permutation(jump)[rows].mean() for _ in range(DRAWS)])
    # A sum in another order may differ in its last bits, so equal sets must not count as smaller.
    return observed, float((1 + np.count_nonzero(drawn >= observed - 1e-9)) / (1 + DRAWS))


def _verdict(seam_p: float | None, jump_p: float | None) -> PopVerdict:
    at_seams = seam_p is not None and seam_p < SIGNIFICANT
    at_jumps = jump_p is not None and jump_p < SIGNIFICANT
    if at_seams and at_jumps:
        return "at seams and code jumps"
    return "at seams" if at_seams else "at code jumps" if at_jumps else "elsewhere"
