"""The explanations of a difference: each is a test that holds or fails, with the figures that decide it."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ttsctl.ablate.findings import Finding, Side, Value
from ttsctl.ablate.lag_pieces import SEAM_TOLERANCE
from ttsctl.ablate.residual import ROUNDING_MEAN, ROUNDING_PEAK_SHARE, Jump, Residual, jumps_at_seams
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.codes import FRAME_SAMPLES, SAMPLE_RATE
from ttsctl.core.plurals import counted

LISTED = 20


def same_bytes(reference: Side, test: Side) -> Finding:
    """Whether both have the same PCM, by its sha256."""
    hashes = pcm_sha256(reference.pcm), pcm_sha256(test.pcm)
    holds = hashes[0] == hashes[1]
    words = f"same bytes: {len(test.pcm)} samples" if holds else "the bytes differ"
    return Finding("same_bytes", holds, words, {"reference_sha256": hashes[0], "test_sha256": hashes[1]})


def different_codes(reference: Side, test: Side, residual: Residual) -> Finding:
    """Whether the codes differ, by their sha256, and from which frame on; then the decoder is not to blame."""
    hashes = reference.codes_sha256, test.codes_sha256
    evidence: dict[str, Value] = {"reference_codes_sha256": hashes[0], "test_codes_sha256": hashes[1]}
    if None in hashes:
        return Finding("different_codes", False, "the codes of one side are not known", evidence)
    if hashes[0] == hashes[1]:
        return Finding("different_codes", False, "both decode the same codes", evidence)
    over = residual.over_bound
    first = int(over[0]) if len(over) else None
    where = (
        f"; the audio parts at {first / SAMPLE_RATE:.3f} s, frame {first // FRAME_SAMPLES}" if first is not None else ""
    )
    evidence_with = {**evidence, "first_difference_sample": first}
    return Finding("different_codes", True, f"different codes (not the decoder){where}", evidence_with)


def wrong_frames_cut(test: Side, residual: Residual) -> Finding:
    """Whether the lag jumps by whole frames: then a packet holds the audio of other frames than its own."""
    jumps = _whole_frames(residual)
    frames = [round(jump.samples / FRAME_SAMPLES) for jump in jumps]
    evidence: dict[str, Value] = {
        "jumps": len(jumps),
        "frames": frames[:LISTED],
        "at_samples": [j.in_test for j in jumps[:LISTED]],
        "method": residual.method,
    }
    if not jumps:
        return Finding("wrong_frames_cut", False, "no jump by whole frames", evidence)
    common, count = Counter(frames).most_common(1)[0]
    kind = "too late: frames repeated" if common > 0 else "too early: frames missing"
    words = (
        f"wrong frames cut: {counted(abs(common), 'frame')} {'added' if common > 0 else 'missing'} at {count} of "
        f"{counted(len(test.seams), 'seam')}, first at {jumps[0].in_test / SAMPLE_RATE:.3f} s ({kind})"
    )
    return Finding("wrong_frames_cut", True, words, evidence)


def _whole_frames(residual: Residual) -> list[Jump]:
    return [jump for jump in residual.jumps if jump.samples % FRAME_SAMPLES == 0]


def samples_at_seams(reference: Side, test: Side, residual: Residual) -> Finding:
    """Whether the lag shows samples missing or added: at seams, elsewhere, at the start or at the end."""
    jumps = tuple(jump for jump in residual.jumps if jump.samples % FRAME_SAMPLES)
    start = sum(jump.samples for jump in jumps if jump.in_test == 0)
    inside = tuple(jump for jump in jumps if jump.in_test > 0)
    seams, hits = _seam_hits(inside, reference, test)
    counts = Counter(jump.samples for jump in hits)
    elsewhere = [jump for jump in inside if jump not in hits]
    parts = [f"{_lost(k)} at {m} of {counted(seams, 'seam')}" for k, m in counts.most_common(3)]
    parts += [f"{_lost(start)} at the start"] if start else []
    parts += [f"{_lost(residual.end)} at the end"] if residual.end else []
    parts += [f"{counted(len(elsewhere), 'jump')} away from any seam"] if elsewhere else []
    evidence: dict[str, Value] = {
        "seams": seams,
        "seams_hit": len(hits),
        "samples_at_seams": [jump.samples for jump in hits[:LISTED]],
        "at_samples": [jump.in_test for jump in hits[:LISTED]],
        "elsewhere_samples": [jump.samples for jump in elsewhere[:LISTED]],
        "start_samples": start,
        "end_samples": residual.end,
        "method": residual.method,
        "coverage": round(residual.coverage, 4),
        "rest_largest": _number(residual.largest),
        "rest_is_rounding": residual.is_rounding,
    }
    words = "; ".join(parts) if parts else "no samples missing or added"
    if parts:
        words += _rest(residual)
    return Finding("samples_at_seams", bool(parts), words, evidence)


def _seam_hits(jumps: tuple[Jump, ...], reference: Side, test: Side) -> tuple[int, list[Jump]]:
    """(number of seams, jumps at them), at the test's seams, or at the reference's if no jump is at the test's."""
    for places, in_test in ((test.seams, True), (reference.seams, False)):
        hits = [jump for jump in jumps_at_seams(jumps, places, in_test, SEAM_TOLERANCE) if jump is not None]
        if hits:
            return len(places), hits
    return len(test.seams), []


def _rest(residual: Residual) -> str:
    """What remains without the lost and added samples, in words."""
    over = residual.over_bound
    if residual.is_rounding or not len(over):
        return "; the rest agrees within rounding"
    first, last = over[0] / SAMPLE_RATE, over[-1] / SAMPLE_RATE
    return f"; differences up to {residual.largest:.2e} remain, from {first:.3f} to {last:.3f} s"


def _lost(samples: int) -> str:
    return f"{counted(abs(samples), 'sample')} {'added' if samples > 0 else 'missing'}"


def rounding_only(residual: Residual, others: list[Finding]) -> Finding:
    """Whether the difference is rounding alone: no larger than other fp32 kernels make it, and nothing else holds."""
    holds = residual.is_rounding and not any(finding.holds for finding in others)
    evidence = {
        "largest": _number(residual.largest),
        "mean": _number(residual.mean),
        "largest_bound": residual.bound,
        "mean_bound": ROUNDING_MEAN,
        "peak": residual.peak,
    }
    words = (
        f"largest difference {residual.largest:.2e}, mean {residual.mean:.1e}; bound {residual.bound:.2e} "
        f"({ROUNDING_PEAK_SHARE:g} of the peak), mean {ROUNDING_MEAN:g}"
    )
    return Finding(
        "rounding_only", holds, f"rounding only: {words}" if holds else f"not by rounding: {words}", evidence
    )


def same_pops(reference: Side, test: Side, matched: int, chance: float | None) -> Finding:
    """Whether both decodes of the same codes have the same pops: far more lie at the same places than by chance."""
    from scipy.stats import binom

    counts = len(reference.pops_s), len(test.pops_s)
    p_value = float(binom.sf(matched - 1, counts[0], chance)) if matched and chance is not None else None
    shares = [matched / count if count else 0.0 for count in counts]
    same = test.codes_sha256 == reference.codes_sha256
    holds = same and matched >= 2 and min(shares) >= 0.5 and p_value is not None and p_value < 1e-3
    evidence = {
        "matched": matched,
        "reference_pops": counts[0],
        "test_pops": counts[1],
        "chance": chance,
        "p_value": p_value,
    }
    if holds:
        words = f"the same pops in both: {matched} of {counts[0]} and {counts[1]} lie at the same places"
    else:
        words = f"{matched} of {counts[0]} and {counts[1]} pops lie at the same places: too few to be the same pops"
    return Finding("same_pops", holds, words, evidence)


def _number(value: float) -> float | None:
    """``value``, or None for NaN."""
    return None if np.isnan(value) else value
