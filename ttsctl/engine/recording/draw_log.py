"""The log of a run's draws: the id that each took, its best two and the gap between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ttsctl.core.trace import Draws, no_draws
from ttsctl.engine.codegen.sampling import Sampler


@dataclass
class _Batch:
    """Draws of one sampler over one vocabulary whose best two are not known yet."""

    sampler: Sampler
    rows: list[int] = field(default_factory=list)
    taken: list[Tensor] = field(default_factory=list)
    decided: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)


# Draws evaluated at once: those of two packets of 4 frames cost little more than one draw.
BATCH = 128


class DrawLog:
    """One stream's draws, evaluated in batches and read back at the end. Logits and scores are kept, not copied."""

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []
        self._batches: dict[tuple[int, int], _Batch] = {}
        self._order: list[int] = []
        self._ids: list[Tensor] = []
        self._reals: list[Tensor] = []

    def add(
        self,
        place: tuple[int, int],
        taken: Tensor,
        decided: Tensor,
        logits: Tensor,
        scores: Tensor,
        sampler: Sampler,
    ) -> None:
        """The draw at (frame, codebook): ``scores`` decided on the id ``decided``, and the id ``taken`` was taken."""
        kind = (id(sampler), len(scores))
        batch = self._batches.get(kind)
        if batch is None:
            batch = self._batches[kind] = _Batch(sampler)
        batch.rows.append(len(self._places))
        batch.taken.append(taken)
        batch.decided.append(decided)
        batch.logits.append(logits)
        batch.scores.append(scores)
        self._places.append(place)
        if len(self._places) % BATCH == 0:
            self._evaluate()

    def _evaluate(self) -> None:
        """Find the best two of all pending draws."""
        for batch in self._batches.values():
            sampler = batch.sampler
            logits = torch.stack(batch.logits)
            scores = torch.stack(batch.scores) if sampler.draw else logits
            decided = torch.stack(batch.decided)[:, None]
            best, gap = best_two(scores, decided, sampler)
            self._ids.append(torch.cat([torch.stack(batch.taken)[:, None], best], 1))
            self._reals.append(torch.cat([logits.gather(1, best), gap], 1))
            self._order.extend(batch.rows)
        self._batches.clear()

    def draws(self) -> Draws:
        """All draws so far, in their order."""
        self._evaluate()
        if not self._places:
            return no_draws()
        order = np.argsort(np.array(self._order))
        ids = torch.cat(self._ids).cpu().numpy()[order]
        reals = torch.cat(self._reals).cpu().numpy()[order]
        places = np.array(self._places, np.int32)
        return Draws(
            frame=places[:, 0].copy(),
            codebook=places[:, 1].copy(),
            id=ids[:, 0].copy(),
            best=ids[:, 1:].copy(),
            logits=reals[:, :2].astype(np.float32),
            gap=reals[:, 2].astype(np.float32),
        )


def best_two(scores: Tensor, decided: Tensor, sampler: Sampler) -> tuple[Tensor, Tensor]:
    """scores (n, vocab) and the ids (n, 1) they decided for -> best (n, 2) int64 and gap (n, 1) in logits.

    Scores are logits, or those of ``sampling.race``, whose logarithm is a logit over the temperature plus noise. The
    gap is infinite where all other ids were ruled out.
    """
    top = scores.topk(2, dim=1)
    # Among equal scores topk may put another id first than argmax did.
    second = torch.where(top.indices[:, :1] == decided, top.indices[:, 1:], top.indices[:, :1])
    high, low = top.values[:, :1], top.values[:, 1:]
    gap = sampler.temperature * (high / low).log() if sampler.draw else high - low
    return torch.cat([decided, second], 1), gap
