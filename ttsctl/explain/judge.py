"""What an explanation comes to: its exit status and its headline."""

from __future__ import annotations

from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.explain.draws import DrawPair
from ttsctl.explain.investigate import Investigation
from ttsctl.runs.power import power_words


def conclude(found: Investigation, clean_runs: int | None = None) -> Outcome:
    """HOLDS if nothing differs, else FAILS; ``clean_runs``: how many runs of one configuration were compared."""
    comparison = found.comparison
    if comparison.first is None:
        power = f"; {power_words(clean_runs)}" if clean_runs else ""
        return Outcome(ExitStatus.HOLDS, f"EQUAL: {_equal_words(found)}{power}")
    parts = [f"first difference: {comparison.first.line}", _verdict_words(found), *_proof_words(found)]
    return Outcome(ExitStatus.FAILS, "; ".join(parts))


def _equal_words(found: Investigation) -> str:
    """What was compared and found equal."""
    comparison = found.comparison
    if comparison.level == "none":
        return "the same codes (no traces: nothing else was compared)"
    if not comparison.values_compared:
        return "the same codes, from the same best two logits at every draw"
    return f"the same codes, and no difference in {comparison.values_compared} values"


def _verdict_words(found: Investigation) -> str:
    comparison, verdict = found.comparison, found.verdict
    place = _draw_words(comparison.draw) if comparison.drawn is not None else ""
    if verdict.kind == "near_tie_flip":
        return f"a near-tie flips {place}"
    if comparison.cut:
        return "the codes are equal as far as both go"
    if verdict.kind == "real_change":
        return f"a real change {place}".rstrip()
    if verdict.kind == "silent_drift":
        return "silent drift: the codes are equal all the same"
    if verdict.kind == "decode_change":
        return "the codes are equal: decoding alone differs"
    return f"the codes differ {place}".rstrip() + ", near-tie or real change not judged"


def _proof_words(found: Investigation) -> list[str]:
    if found.proven is None:
        return []
    last = found.trials[-1]
    if not last.proven:
        return ["not proven by any graft"]
    if last.spread:
        return [f"spread: only a graft of {last.what} makes B equal to A"]
    if last.stages:
        return [f"proven by graft of the {last.stages[0]} as a whole"]
    return [f"proven by graft: {last.what}"]


def _draw_words(pair: DrawPair | None) -> str:
    return "" if pair is None else f"at draw {pair.codebook} of frame {pair.frame}"
