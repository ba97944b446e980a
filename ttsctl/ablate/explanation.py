"""Why two decodes differ: each of a fixed set of explanations is tested on the audio, and the results combined."""

from __future__ import annotations

from dataclasses import dataclass

from ttsctl.ablate.difference_tests import (
    different_codes,
    rounding_only,
    same_bytes,
    same_pops,
    samples_at_seams,
    wrong_frames_cut,
)
from ttsctl.ablate.findings import Finding, Side
from ttsctl.ablate.left_context import left_context_too_short
from ttsctl.ablate.reference_priming import begins_anew, reference_findings
from ttsctl.ablate.residual import Residual

UNEXPLAINED = "none of the tested explanations holds"


@dataclass(frozen=True)
class Explanation:
    """words: the explanations that hold, in one line. names: theirs. findings: every test with its evidence."""

    words: str
    names: tuple[str, ...]
    findings: tuple[Finding, ...]


def explain_difference(
    reference: Side,
    test: Side,
    residual: Residual,
    matched_pops: int = 0,
    chance: float | None = None,
    cloned: bool = False,
) -> Explanation:
    """Test each explanation of the difference between ``test`` and ``reference``, both at 24 kHz.

    matched_pops: pops of both at the same places. chance: the share that would match by chance, None if not known.
    cloned: the codes are of a cloned voice, so that the decoder may lack its reference.
    """
    bytes_found = same_bytes(reference, test)
    if bytes_found.holds:
        found = [bytes_found]
    else:
        found = [bytes_found, *_differences(reference, test, residual, cloned)]
    found.append(same_pops(reference, test, matched_pops, chance))
    explained = [finding for finding in found if finding.holds]
    # Pops that both have do not explain why the two differ.
    why = [finding for finding in explained if finding.name != "same_pops"]
    words = [finding.words for finding in explained] if why else [_unexplained(residual), *(f.words for f in explained)]
    return Explanation("; ".join(words), tuple(f.name for f in explained), tuple(found))


def _differences(reference: Side, test: Side, residual: Residual, cloned: bool) -> list[Finding]:
    other_codes = different_codes(reference, test, residual)
    frames, samples = wrong_frames_cut(test, residual), samples_at_seams(reference, test, residual)
    lacking = reference_findings(reference, test, residual) if cloned and not other_codes.holds else []
    if other_codes.holds:
        # The sound of other codes tells nothing about the context.
        context = Finding("left_context_too_short", False, "not tested: the codes differ", {})
    elif any(finding.holds for finding in lacking):
        # What fades over the whole stream also begins at a seam, or at the start.
        context = Finding("left_context_too_short", False, "not tested: the reference is what is missing", {})
    else:
        context = left_context_too_short(reference, test, residual, cloned and begins_anew(reference, test, residual))
    others = [other_codes, frames, samples, *lacking, context]
    return [*others, rounding_only(residual, others)]


def _unexplained(residual: Residual) -> str:
    return f"{UNEXPLAINED}: largest difference {residual.largest:.2e}, mean {residual.mean:.1e}"
