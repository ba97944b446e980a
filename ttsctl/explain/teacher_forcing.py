"""Teacher forcing: A's codes forced through B, so that each draw is judged on the same history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ttsctl.core.errors import CannotJudge
from ttsctl.core.trace import Draws
from ttsctl.explain.draws import gap_changes
from ttsctl.explain.rounding_noise import Noise


@dataclass(frozen=True)
class ForcedDraws:
    """How many of A's codes B would have drawn differently.

    ``draws`` draws were made in ``frames`` frames (the end token counts as a frame of its own). ``draws_differ`` of
    them, in ``frames_differ`` frames, took another id; ``first`` is the (frame, codebook) of the first of these.
    ``beyond_noise`` counts the draws whose gap moved by more than the noise bound, null without one. ``floor`` is
    ``draws_differ`` of A's codes forced through A itself, and should be 0.
    """

    draws: int
    frames: int
    draws_differ: int
    frames_differ: int
    first: tuple[int, int] | None
    beyond_noise: int | None
    floor: int


def compare_forced_draws(recorded: Draws, forced_a: Draws, forced_b: Draws, noise: Noise | None) -> ForcedDraws:
    """Compare A's ``recorded`` draws with those of A's codes forced through A and through B.

    CannotJudge if these are not the same draws in the same order.
    """
    rows = len(forced_a.id)
    for draws in (recorded, forced_b):
        if len(draws.id) < rows or not np.array_equal(draws.codebook[:rows], forced_a.codebook):
            raise CannotJudge("teacher forcing: the draws do not line up with the recorded ones", "report this")
    differ = np.flatnonzero(forced_b.id[:rows] != recorded.id[:rows])
    changes = gap_changes(forced_a, forced_b)
    return ForcedDraws(
        draws=rows,
        frames=len(np.unique(forced_a.frame)),
        draws_differ=len(differ),
        frames_differ=len(np.unique(forced_a.frame[differ])),
        first=(int(forced_a.frame[differ[0]]), int(forced_a.codebook[differ[0]])) if len(differ) else None,
        beyond_noise=None if noise is None else int((changes > noise.bound).sum()),
        floor=int((forced_a.id != recorded.id[:rows]).sum()),
    )
