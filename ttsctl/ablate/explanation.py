"""Why two decodes differ: a small set of explanations, each tested on the audio, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass

from ttsctl.ablate.context_test import left_context_too_short
from ttsctl.ablate.difference_tests import (
    different_codes,
    pops_from_codes,
    rounding_only,
    same_bytes,
    samples_at_seams,
    wrong_frames_cut,
)
from ttsctl.ablate.findings import Finding, Residual, Side

UNEXPLAINED = "none of the tested explanations holds"


@dataclass(frozen=True)
class Explanation:
    """``words``: what holds, in one line; ``names`` of what holds; ``findings``: every test with its evidence."""

    words: str
    names: tuple[str, ...]
    findings: tuple[Finding, ...]


def explain(
    reference: Side, test: Side, residual: Residual, matched_pops: int = 0, chance: float | None = None
) -> Explanation:
    """Test each explanation of what ``test`` has different from ``reference``, both (N,) at 24 kHz.

    ``matched_pops``: pops of both at the same places; ``chance``: the share that would match anyway.
    """
    bytes_found = same_bytes(reference, test)
    if bytes_found.holds:
        found = [bytes_found]
    else:
        found = [bytes_found, *_differences(reference, test, residual)]
    found.append(pops_from_codes(reference, test, matched_pops, chance))
    explained = [finding for finding in found if finding.holds]
    # Common pops say where pops come from, not why the two differ.
    why = [finding for finding in explained if finding.name != "pops_from_codes"]
    words = [finding.words for finding in explained] if why else [_unexplained(residual), *(f.words for f in explained)]
    return Explanation("; ".join(words), tuple(f.name for f in explained), tuple(found))


def _differences(reference: Side, test: Side, residual: Residual) -> list[Finding]:
    other_codes = different_codes(reference, test, residual)
    frames, samples = wrong_frames_cut(test, residual), samples_at_seams(reference, test, residual)
    if other_codes.holds:
        # What other codes sound like says nothing about context.
        context = Finding("left_context_too_short", False, "not tested: the codes differ")
    else:
        context = left_context_too_short(reference, test, residual)
    others = [other_codes, frames, samples, context]
    return [*others, rounding_only(residual, others)]


def _unexplained(residual: Residual) -> str:
    return f"{UNEXPLAINED}: largest difference {residual.largest:.2e}, mean {residual.mean:.1e}"
