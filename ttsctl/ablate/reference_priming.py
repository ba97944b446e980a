"""Tests whether a cloned voice's reference did not reach the decoder, or reached it with the first packet alone.

What the decoder remembers of a reference fades: the difference that a lack of it makes is largest where it begins,
goes on across the seams without beginning anew, and dies away. Where it begins says which fault it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.ablate.findings import Finding, Float, Side, Value
from ttsctl.ablate.residual import Residual
from ttsctl.core.codes import FRAME_SAMPLES, SAMPLE_RATE

NOT_PRIMED, FIRST_ONLY, FIRST_ALONE = "reference_not_primed", "reference_first_packet_only", "first_packet_alone"
# The difference begins at its place, but may look right for so long where the audio is quiet.
ONSET_SAMPLES = FRAME_SAMPLES // 2
# In so many of its frames the difference is larger than rounding; some frames may be silent.
MIN_SHARE = 0.8
# The level of the last quarter over that of the first, where the difference is over before the audio ends, and where it
# is not. Measured on random weights: 0.01 to 0.4 over, 0.15 not over; without a decay it is about 1.
ENDED, GOES_ON = 0.5, 0.25
# A difference that begins anew at seams is louder after them than before. A fading one: 0.7 to 1.05.
RESTARTS = 1.5
# A difference that does not fade begins anew from here on; with 2 frames a packet or fewer it cannot be told.
BEGINS_ANEW = 1.15
# Nowhere does it rise by so much at a seam, neither absolutely nor relative to the audio.
RISES = 4.0
# With a limited context the first packet may differ from a decode of everything, by so much of what follows.
FIRST_AGREES = 0.1
# Fewer later packets cannot be told from a packet that lacks its left context.
LEAST_PACKETS = 2
# If one gain explains all but this share of the difference, the level is wrong and not the state.
GAIN_LEAVES = 0.1


@dataclass(frozen=True)
class Fading:
    """A difference from one sample on.

    frames: from there to the last that is larger than rounding. share: of these, how many are. late_over_early: level
    of the last quarter over that of the first, absolute or relative to the audio, whichever is larger; None below 4
    frames. over: whether the audio goes on without it. restart: median over the seams in it of the level of the frame
    after over that of the frame before, None without such a seam. rise: the largest of these, where the audio itself
    does not rise as much. by_gain: whether one gain explains it.
    """

    frames: int
    share: float
    late_over_early: float | None
    over: bool
    restart: float | None
    rise: float | None
    by_gain: bool

    @property
    def fades(self) -> bool:
        bound = ENDED if self.over else GOES_ON
        smooth = (self.restart or 0) <= RESTARTS and (self.rise or 0) <= RISES
        decays = self.late_over_early is not None and self.late_over_early <= bound
        return decays and smooth and self.share >= MIN_SHARE and not self.by_gain

    @property
    def evidence(self) -> dict[str, Value]:
        return {
            "frames": self.frames,
            "share_of_frames": round(self.share, 4),
            "late_over_early": self.late_over_early,
            "over_before_the_end": self.over,
            "after_over_before_seams": self.restart,
            "largest_rise_at_a_seam": self.rise,
            "by_gain": self.by_gain,
        }

    @property
    def words(self) -> str:
        if self.over or self.late_over_early is None:
            return f"{self.frames} frames"
        return f"{self.frames} frames, to {self.late_over_early:.0%} at the audio's end"


def reference_findings(reference: Side, test: Side, residual: Residual) -> list[Finding]:
    """The findings of this module, on decodes of a cloned voice's codes; at most one of them holds."""
    where = residual.over_bound
    if residual.jumps or residual.end or not len(where):
        why = "nothing differs" if not len(where) else "samples are missing or added"
        return [Finding(name, False, why, {}) for name in (NOT_PRIMED, FIRST_ONLY, FIRST_ALONE)]
    seams = _seams(reference, test, int(where[0]))
    return [
        _not_primed(reference, test, residual, seams),
        _first_only(reference, test, residual, seams),
        _first_alone(where, seams),
    ]


def _not_primed(reference: Side, test: Side, residual: Residual, seams: list[int]) -> Finding:
    onset = int(residual.over_bound[0])
    found = _fading(reference, test, residual, 0, seams)
    alone = bool(seams) and int(residual.over_bound[-1]) < seams[0]
    evidence = {"onset_sample": onset, "ends_with_the_first_packet": alone, **found.evidence}
    if onset <= ONSET_SAMPLES and found.fades and not alone:
        words = f"decoder not primed with the reference: differs from the first sample, decays over {found.words}"
        return Finding(NOT_PRIMED, True, words, evidence)
    why = f"the difference begins at {onset / SAMPLE_RATE:.3f} s" if onset > ONSET_SAMPLES else _why(found)
    return Finding(NOT_PRIMED, False, why, evidence)


def _first_only(reference: Side, test: Side, residual: Residual, seams: list[int]) -> Finding:
    onset = int(residual.over_bound[0])
    if not seams or not (_begins(seams, onset) or _nearly_begins(residual, seams[0])):
        return Finding(FIRST_ONLY, False, "no difference begins with the second packet", {"onset_sample": onset})
    found = _fading(reference, test, residual, seams[0], seams)
    stop = seams[0] + found.frames * FRAME_SAMPLES
    differ = sum(start < stop for start in seams)
    evidence = {"onset_sample": onset, "packets_that_differ": differ, "later_packets": len(seams), **found.evidence}
    if found.fades and differ >= LEAST_PACKETS:
        words = (
            f"reference given to the first packet only: every later packet differs, from "
            f"{seams[0] / SAMPLE_RATE:.3f} s on ({differ} of {len(seams)} until it has decayed), "
            f"decays over {found.words}"
        )
        return Finding(FIRST_ONLY, True, words, evidence)
    why = _why(found) if differ >= LEAST_PACKETS else "a single packet after the first differs"
    return Finding(FIRST_ONLY, False, why, evidence)


def _first_alone(where: np.ndarray, seams: list[int]) -> Finding:
    """One side had the reference in its first packet alone, and the other never."""
    first, last = int(where[0]), int(where[-1])
    evidence: dict[str, Value] = {"first_sample": first, "last_sample": last}
    if seams and first <= ONSET_SAMPLES and seams[0] - FRAME_SAMPLES <= last < seams[0]:
        words = "the first packet alone differs, from its first sample on: the two begin in other states"
        return Finding(FIRST_ALONE, True, words, evidence)
    return Finding(FIRST_ALONE, False, "more or less than the first packet differs", evidence)


def _seams(reference: Side, test: Side, onset: int) -> list[int]:
    """The seams of the test; those of the reference if the difference begins at its first seam, or the test has none.

    The sides may be packed differently; nothing was lost or added, so their samples correspond.
    """
    own: list[int] = test.seams.tolist()
    other: list[int] = reference.seams.tolist()
    return other if not own or (_begins(other, onset) and not _begins(own, onset)) else own


def _begins(seams: list[int], onset: int) -> bool:
    return bool(seams) and seams[0] <= onset <= seams[0] + ONSET_SAMPLES


def _nearly_begins(residual: Residual, seam: int) -> bool:
    """Whether the first packet differs by far less than the frame after it."""
    values = np.nan_to_num(residual.values)
    before, after = values[:seam], values[seam : seam + FRAME_SAMPLES]
    return len(before) > 0 < len(after) and _rms(before) <= FIRST_AGREES * _rms(after)


def begins_anew(reference: Side, test: Side, residual: Residual) -> bool:
    """Whether the difference is louder after the seams than before: then each packet lacks something of its own."""
    where = residual.over_bound
    if residual.jumps or not len(where) or not len(test.seams):
        return False
    return (_fading(reference, test, residual, 0, test.seams.tolist()).restart or 0) > BEGINS_ANEW


def _fading(reference: Side, test: Side, residual: Residual, start: int, seams: list[int]) -> Fading:
    """How the difference from sample ``start`` on goes on, in frames from there."""
    values = np.nan_to_num(residual.values[start:])
    last = int(np.flatnonzero(np.abs(values) > residual.bound)[-1])
    frames = last // FRAME_SAMPLES + 1
    levels, audio = (_levels(wave[start:], frames) for wave in (np.nan_to_num(residual.values), reference.pcm))
    peaks = np.array([np.abs(part).max() for part in _parts(values, frames)])
    at = [(seam - start) // FRAME_SAMPLES for seam in seams if start < seam < start + frames * FRAME_SAMPLES]
    inside = [n for n in at if n and levels[n - 1] > 0]
    jumps = [levels[n] / levels[n - 1] for n in inside]
    return Fading(
        frames=frames,
        share=float((peaks > residual.bound).mean()),
        late_over_early=_late_over_early(levels, audio),
        over=(frames + 1) * FRAME_SAMPLES <= len(values),
        restart=round(float(np.median(jumps)), 4) if jumps else None,
        rise=_largest_rise(levels, audio, inside),
        by_gain=_is_gain(reference, test, start, start + frames * FRAME_SAMPLES),
    )


def _largest_rise(levels: Float, audio: Float, at: list[int]) -> float | None:
    """The largest rise from the frame before to one of ``at``, over that of the audio; what is faint is left out."""
    loud = [n for n in at if levels[n] >= FIRST_AGREES * levels.max()]
    rises = [levels[n] / levels[n - 1] / max(1.0, audio[n] / max(audio[n - 1], 1e-6)) for n in loud]
    return round(float(max(rises)), 4) if rises else None


def _late_over_early(levels: Float, audio: Float) -> float | None:
    """The larger of the two ratios: a difference that follows the loudness of the audio does not decay."""
    if len(levels) < 4 or not levels[: len(levels) // 4].any():
        return None
    relative = levels / np.maximum(audio, 0.1 * float(audio.max()))
    quarter = len(levels) // 4
    return round(max(float(v[-quarter:].mean() / v[:quarter].mean()) for v in (levels, relative)), 4)


def _is_gain(reference: Side, test: Side, start: int, stop: int) -> bool:
    """Whether one factor turns the reference's audio into the test's."""
    a, b = (side.pcm[start:stop].astype(np.float64) for side in (reference, test))
    size = min(len(a), len(b))
    a, b = a[:size], b[:size]
    energy = float(a @ a)
    left = b - float(a @ b) / energy * a if energy else b
    return float(np.linalg.norm(left)) <= GAIN_LEAVES * float(np.linalg.norm(b - a))


def _levels(wave: np.ndarray, frames: int) -> Float:
    """RMS of each frame, (frames,)."""
    return np.array([_rms(part) for part in _parts(wave, frames)])


def _rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave.astype(np.float64) ** 2)))


def _parts(wave: np.ndarray, frames: int) -> list[np.ndarray]:
    return [wave[n * FRAME_SAMPLES : (n + 1) * FRAME_SAMPLES] for n in range(frames)]


def _why(found: Fading) -> str:
    if found.by_gain:
        return "one gain explains the difference"
    if found.share < MIN_SHARE:
        return f"{found.share:.0%} of the frames differ, with gaps between them"
    if (found.restart or 0) > RESTARTS or (found.rise or 0) > RISES:
        return "the difference begins anew at the seams"
    return "the difference does not decay over the stream"
