"""Where pops sit: planted at seams, at code jumps, elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ttsctl.ablate.findings import Side
from ttsctl.ablate.pop_code_stats import pop_code_stats
from ttsctl.ablate.residual import Residual
from ttsctl.ablate.seam_energy import seam_energies
from ttsctl.audio.pops.detector import Pop

FRAME, PACKET_FRAMES, PACKETS = 1920, 4, 20
FRAMES = PACKET_FRAMES * PACKETS
SIDE = Side("B", np.zeros(FRAMES * FRAME, np.float32), (PACKET_FRAMES * FRAME,) * PACKETS, "c")


def pops(samples: Any) -> tuple[Pop, ...]:
    return tuple(Pop(s / 24_000, int(s), None, 10.0 + k, 0.9) for k, s in enumerate(samples))


def stats(samples: Any, jumps: Any, seed: Any = 1) -> Any:
    return pop_code_stats(pops(samples), SIDE, (PACKET_FRAMES,) * PACKETS, jumps, seed)


@pytest.fixture
def jumps() -> Any:
    """(79, 16): small steps, and large ones into every 7th frame."""
    steps = np.random.default_rng(3).integers(0, 20, (FRAMES - 1, 16))
    steps[6::7] += 1000
    return steps


def test_pops_at_seams(jumps: Any) -> None:
    found = stats(SIDE.seams[[1, 4, 8, 9, 15]] + 7, jumps)
    assert found.verdict == "at seams" and found.at_seams == 5 and found.seam_p < 0.001
    row = found.pops[0]
    assert (row.packet, row.position, row.frame, row.seam_distance) == (2, 7, 8, 7)
    assert row.jumps == tuple(jumps[7]) and row.jump_max == jumps[7].max()
    assert row.jump_mean == pytest.approx(jumps[7].mean())


def test_pops_at_code_jumps(jumps: Any) -> None:
    found = stats([f * FRAME + 900 for f in (7, 14, 35, 49, 63)], jumps)
    assert found.verdict == "at code jumps" and found.jump_p < 0.01 and found.at_seams == 0


def test_pops_elsewhere(jumps: Any) -> None:
    found = stats([f * FRAME + 1000 for f in (2, 11, 19, 30, 45)], jumps)
    assert found.verdict == "elsewhere" and found.seam_p == 1 and found.jump_p > 0.05


def test_pops_at_both(jumps: Any) -> None:
    found = stats([f * FRAME for f in (28, 56)] * 2, jumps)
    assert found.verdict == "at seams and code jumps"


def test_p_values_repeat_with_their_seed(jumps: Any) -> None:
    places = [f * FRAME + 300 for f in (5, 7, 21, 40)]
    assert stats(places, jumps, 4) == stats(places, jumps, 4)


def test_too_few_pops_give_no_verdict_but_a_reason(jumps: Any) -> None:
    found = stats([5000, 9000], jumps)
    assert found.verdict is None and found.reason == "2 pops; 3 needed" and len(found.pops) == 2


def test_the_strongest_20_are_listed_in_order_of_time(jumps: Any) -> None:
    found = stats(np.arange(1, 31) * 4000, jumps)
    assert len(found.pops) == 20 and found.count == 30
    assert [p.time_s for p in found.pops] == sorted(p.time_s for p in found.pops)
    assert min(p.strength_db for p in found.pops) == 20.0


def test_one_packet_has_no_seams(jumps: Any) -> None:
    whole = Side("A", SIDE.pcm, (len(SIDE.pcm),), "c")
    found = pop_code_stats(pops([5000, 20_000, 50_000]), whole, (FRAMES,), jumps, 1)
    assert found.seam_p is None and found.pops[0].seam_distance is None and found.pops[1].frame == 10


def test_seam_energy_against_closed_form() -> None:
    values = np.zeros(3 * 7680)
    values[7680 : 7680 + 240] = 0.1
    values[7680 + 1920 : 7680 + 5760] = 0.01
    side = Side("B", np.zeros(len(values), np.float32), (7680,) * 3, "c")
    counterpart = np.arange(len(values))
    loud, silent = seam_energies(Residual(values, counterpart, (), 0, 1.0, "lag path", 1.0), side, 24_000)
    assert loud.ratio_db == pytest.approx(20.0) and loud.after_rms == pytest.approx(0.1)
    assert silent.ratio_db is None and silent.reason == "no difference"
