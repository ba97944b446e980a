"""How a draw is computed: the seam between the frame function and torch's operations or the project's kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ttsctl.engine.codegen.draws import DrawShape, Group0Rules, SamplerValues, decide, penalise


@dataclass(frozen=True, eq=False)
class Draw:
    """What a draw works on: logits (B, V), ids ``seen`` (B, V) bool, seed and frame (B,) int64, the table (V, hidden).

    ``rules`` of group 0; None for the other groups. ``noise`` (B, V) float32, or None: nothing is drawn, or the noise
    is Philox's and whoever draws may compute it.
    """

    logits: Tensor
    seen: Tensor
    shape: DrawShape
    values: SamplerValues
    seed: Tensor
    frame: Tensor
    group: int
    table: Tensor
    rules: Group0Rules | None
    noise: Tensor | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """ids (B,) int64, processed logits and the scores of which each id is the best, (B, V) float32.

    ``embedded`` (B, hidden): the ids' rows of the table; None = whoever needs them looks them up.
    """

    ids: Tensor
    embedded: Tensor | None
    logits: Tensor
    scores: Tensor


class DrawSteps(Protocol):
    """What computes a draw. ``has_noise``: it computes Philox's noise itself."""

    has_noise: bool

    def draw(self, draw: Draw) -> Drawn:
        """One id of every row."""
        ...


class TorchDraws:
    """Torch's operations, as ``draws.py`` has them."""

    has_noise = False

    def draw(self, draw: Draw) -> Drawn:
        if draw.rules is not None:
            logits = draw.rules.apply(draw.logits, draw.seen, draw.frame, draw.values, draw.shape.penalises)
        else:
            logits = draw.logits.float()
            if draw.shape.penalises:
                logits = penalise(logits, draw.seen, draw.values.penalty)
        ids, scores = decide(logits, draw.shape, draw.values, draw.noise)
        return Drawn(ids, None, logits, scores)
