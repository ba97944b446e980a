"""Test whether packets were decoded with too little left context.

If they were, the first packets agree. From the first packet whose context was cut, each packet differs from its first
samples on, and most of all there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ttsctl.ablate.findings import Finding, Float, Index, Side
from ttsctl.ablate.residual import Residual
from ttsctl.ablate.seam_energy import known_rms
from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES, SAMPLE_RATE

NAME = "left_context_too_short"
# A packet that lacks context is wrong from its first samples on, but up to here it may look right if it is quiet.
ONSET_SAMPLES = FRAME_SAMPLES // 2
MIN_SHARE = 0.5
BIN_SAMPLES = 120
# The difference decays if the last quarter of a packet has at most half of the first quarter's level.
DECAYED = 0.5
TENTH = 0.1
# If one gain explains all but this share of a packet's difference, its level is wrong and not its context.
GAIN_LEAVES = 0.1


@dataclass(frozen=True)
class _Packets:
    """One value a packet, (P,). differs: whether its residual exceeds rounding. onset: the first sample that does, from
    the packet's start. by_gain: whether one gain explains the difference.
    """

    differs: np.ndarray
    onset: Index
    by_gain: np.ndarray

    @property
    def first(self) -> int | None:
        """The first packet that differs; None if all agree."""
        found = np.flatnonzero(self.differs)
        return int(found[0]) if len(found) else None


def left_context_too_short(reference: Side, test: Side, residual: Residual, first_has_past: bool = False) -> Finding:
    """Whether the aligned residual looks, packet by packet of ``test``, as it does when the left context is cut.

    ``first_has_past``: the reference of a cloned voice comes before the first packet, and every packet begins anew to
    differ, so that the first can lack its past too.
    """
    if len(test.seams) == 0:
        return Finding(NAME, False, "no seams", {"seams": 0})
    found = _packets(reference.pcm, test, residual)
    first = found.first
    if first is None:
        return Finding(NAME, False, "every packet agrees within rounding", {"packets_that_differ": 0})
    later = found.differs[first:]
    at_start = found.differs & (found.onset <= ONSET_SAMPLES) & ~found.by_gain
    share = float(at_start[first:].mean())
    decay = _decay(test, residual, np.flatnonzero(found.differs))
    evidence = {
        "first_packet_that_differs": first,
        "packets_that_differ": int(later.sum()),
        "packets_after_the_first": len(later),
        "share_from_the_seam_on": round(share, 4),
        "share_by_gain": round(float(found.by_gain[found.differs].mean()), 4),
        "late_over_early": decay.late_over_early,
        "decay_samples": decay.samples,
    }
    # Without a reference the first packet has no left context, so it cannot lack any.
    lacks = first > 0 or first_has_past
    holds = lacks and bool(at_start[first]) and share >= MIN_SHARE
    return Finding(
        NAME, holds, _words(test, residual, first, later, decay) if holds else _why_not(first, share), evidence
    )


def _packets(reference: PcmArray, test: Side, residual: Residual) -> _Packets:
    differs, onset, by_gain = [], [], []
    for start, size in zip(test.starts.tolist(), test.packet_samples, strict=True):
        values = np.abs(np.nan_to_num(residual.values[start : start + size]))
        over = np.flatnonzero(values > residual.bound)
        differs.append(len(over) > 0)
        onset.append(int(over[0]) if len(over) else size)
        by_gain.append(len(over) > 0 and _is_gain(reference, test, residual, slice(start, start + size)))
    return _Packets(np.array(differs), np.array(onset, np.int64), np.array(by_gain))


def _is_gain(reference: PcmArray, test: Side, residual: Residual, where: slice) -> bool:
    """Whether one factor turns the reference's packet into the test's."""
    index = residual.counterpart[where]
    known = index >= 0
    a, b = reference[index[known]].astype(np.float64), test.pcm[where][known].astype(np.float64)
    energy = float(a @ a)
    if energy == 0:
        return False
    left = b - float(a @ b) / energy * a
    return float(np.linalg.norm(left)) <= GAIN_LEAVES * float(np.linalg.norm(b - a))


@dataclass(frozen=True)
class _Decay:
    """How the difference falls within a packet; None if that is not known.

    late_over_early: level of the last quarter over that of the first. samples: how many until it stays below a tenth.
    """

    late_over_early: float | None
    samples: int | None

    @property
    def decays(self) -> bool:
        return self.late_over_early is not None and self.late_over_early <= DECAYED


def _decay(test: Side, residual: Residual, packets: Index) -> _Decay:
    """How the residual falls within ``packets``, averaged over them."""
    bins = _folded(test, residual, packets)
    if len(bins) < 4:
        return _Decay(None, None)
    quarter = len(bins) // 4
    early, late = known_rms(bins[:quarter]), known_rms(bins[-quarter:])
    if not early or late is None:
        return _Decay(None, None)
    # The level that is not exceeded from each bin on.
    remaining = np.maximum.accumulate(bins[::-1])[::-1]
    below = np.flatnonzero(remaining < TENTH * bins[:quarter].max())
    return _Decay(round(late / early, 4), int(below[0]) * BIN_SAMPLES if len(below) else None)


def _folded(test: Side, residual: Residual, packets: Index) -> Float:
    """RMS of the residual over all ``packets``, in bins of 5 ms from the packet's start, (bins,)."""
    sizes = [test.packet_samples[p] for p in packets.tolist()]
    count = max(sizes) // BIN_SAMPLES
    table = np.full((len(sizes), count), np.nan)
    for row, (start, size) in enumerate(zip(test.starts[packets].tolist(), sizes, strict=True)):
        whole = size // BIN_SAMPLES
        squared = residual.values[start : start + whole * BIN_SAMPLES].reshape(whole, BIN_SAMPLES) ** 2
        table[row, :whole] = np.nan_to_num(squared).mean(axis=1)
    return np.asarray(np.sqrt(np.nanmean(table, axis=0)))


def _words(test: Side, residual: Residual, first: int, later: np.ndarray, decay: _Decay) -> str:
    seam_s = test.starts[first] / SAMPLE_RATE
    enough = _frame(test, residual, first - 1) if first else 0
    less = _frame(test, residual, first)
    start = (
        f"left context too short: the first {first} of {len(test.starts)} packets agree, and from the seam at "
        f"{seam_s:.3f} s on {int(later.sum())} of {len(later)} differ from their first samples on"
    )
    if first == 0:
        start = (
            f"left context too short: {int(later.sum())} of {len(later)} packets differ from their first samples on, "
            "the first too, whose past is the reference"
        )
    if decay.samples is not None:
        tail = f"; the difference decays to a tenth within {1000 * decay.samples / SAMPLE_RATE:.0f} ms after each seam"
    elif decay.decays:
        tail = f"; the difference decays after each seam, to {decay.late_over_early:.0%} by the packet's end"
    else:
        tail = "; it does not fall within a packet"
    if first == 0:
        return f"{start}{tail}"
    return f"{start}{tail} (the context had at least {enough} and fewer than {less} frames)"


def _frame(test: Side, residual: Residual, packet: int) -> int:
    """The frame with which a packet starts in the reference, rounded up because its first samples may be missing."""
    start = int(test.starts[packet])
    counterpart = int(residual.counterpart[start])
    return math.ceil((start if counterpart < 0 else counterpart) / FRAME_SAMPLES)


def _why_not(first: int, share: float) -> str:
    if first == 0:
        return "the first packet differs, which has no past to lack"
    return f"{share:.0%} of the packets from the first that differs on differ from their first samples on"
