"""How far gaps move, and the noise that is measured from it: on draws made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ttsctl.core.errors import CannotJudge
from ttsctl.core.trace import Draws
from ttsctl.explain.draws import DrawPair, DrawSide, gap_changes
from ttsctl.explain.rounding_noise import calibrate, coarser, gap_change


def side(best: tuple[int, int], gap: float | None) -> DrawSide:
    return DrawSide(best[0], best, (None, None), gap)


def test_the_change_of_a_gap() -> None:
    swapped = DrawPair(0, 1, side((3, 4), 0.5), side((4, 3), 0.25))
    assert gap_change(swapped) == (0.75, True, None)
    assert gap_change(DrawPair(0, 1, side((3, 4), 0.5), side((7, 8), 0.25)))[:2] == (0.75, False)
    assert gap_change(DrawPair(0, 1, side((3, 4), None), side((4, 3), 0.25)))[0] is None
    assert gap_change(None)[0] is None


def draws(best: list[tuple[int, int]], gaps: list[float]) -> Draws:
    rows = len(gaps)
    none = np.zeros((rows, 2), np.float32)
    place = np.zeros(rows, np.int32)
    taken = np.array([b[0] for b in best], np.int64)
    return Draws(place, place, taken, np.array(best, np.int64), none, np.array(gaps, np.float32))


def test_noise_is_the_largest_of_all_changes() -> None:
    plain = draws([(1, 2), (3, 4), (5, 6)], [1.0, 0.5, np.inf])
    jittered = {1: draws([(1, 2), (4, 3), (5, 6)], [1.25, 0.25, np.inf]), 2: plain}
    noise = calibrate(lambda seed: plain if seed is None else jittered[seed], (1, 2), "bfloat16")
    assert gap_changes(plain, jittered[1])[:2].tolist() == [0.25, 0.75]
    assert (noise.bound, noise.changes, noise.draws, noise.runs) == (0.75, 4, 3, 2)
    with pytest.raises(CannotJudge, match="finite gap"):
        calibrate(lambda seed: draws([(1, 2)], [np.inf]), (1,), "float32")


def test_the_coarser_of_two_precisions() -> None:
    assert coarser("float32", "bfloat16") == coarser("bfloat16", "float16") == "bfloat16"
    assert coarser("float64", "float32") == "float32"
