"""What a number of clean runs can say about how often drift happens."""

from __future__ import annotations

import math

CONFIDENCE = 0.95


def drift_bound(clean_runs: int) -> float | None:
    """Highest drift rate (0..1 per run) that ``clean_runs`` runs without drift leave possible at 95 % confidence.

    If each run drifts with probability p, independently of the others, then n clean runs have the probability
    (1 - p)^n. The bound is where that falls to 5 %: 1 - 0.05^(1/n), the exact binomial (Clopper-Pearson) limit for none
    in n. None for no run.
    """
    return 1 - (1 - CONFIDENCE) ** (1 / clean_runs) if clean_runs > 0 else None


def power_words(clean_runs: int) -> str:
    """The bound as a sentence for people."""
    bound = drift_bound(clean_runs)
    if bound is None:
        return "no clean run: nothing is known about drift"
    said = f"the drift rate at ≤ {_rounded_up(100 * bound):g} % (95 %)"
    return f"{clean_runs} clean runs bound {said}" if clean_runs > 1 else f"a single run bounds {said}: next to nothing"


def _rounded_up(value: float) -> float:
    """Rounded to two digits, and up, because a bound that is rounded down would claim too much."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(round(value / step, 6)) * step, 6)
