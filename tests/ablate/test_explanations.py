"""Each explanation on a planted fault, and on a like one that it must not claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.ablate.ablate_helpers import PACKET, evidence, explained, packets, residual, sides, source
from ttsctl.ablate.explanation import UNEXPLAINED, explain_difference

FRAME = 1920
KINDS = ("speech", "noise")


@pytest.fixture(params=KINDS)
def a(request: Any) -> Any:
    return source(request.param)


def burst(size: int, seed: int, decay: float = 800.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 0.1 * np.exp(-np.arange(size) / decay) * generator.standard_normal(size)


def test_same_bytes(a: Any) -> None:
    found = explained(*sides(a, packets(a)))
    assert found.names == ("same_bytes",) and found.words == f"same bytes: {len(a)} samples"


def test_one_bit_is_no_longer_the_same_bytes(a: Any) -> None:
    b = a.copy()
    b[40_000] = np.nextafter(b[40_000], 1)
    assert explained(*sides(a, packets(b))).names == ("rounding_only",)


def test_rounding_states_its_bound(a: Any) -> None:
    noise = 2e-6 * np.random.default_rng(0).standard_normal(len(a))
    found = explained(*sides(a, packets(a + noise)))
    assert found.names == ("rounding_only",) and "bound" in found.words
    figures = evidence(found, "rounding_only")
    assert figures["largest_bound"] == pytest.approx(5e-4 * np.abs(a).max())
    assert 0 < figures["largest"] <= figures["largest_bound"]


def test_noise_above_the_bound_is_left_unexplained(a: Any) -> None:
    noise = 3e-3 * np.random.default_rng(0).standard_normal(len(a))
    found = explained(*sides(a, packets(a + noise)))
    assert found.names == () and found.words.startswith(UNEXPLAINED)


@pytest.mark.parametrize("cut", ["start", "end"])
@pytest.mark.parametrize("lost", [555, 31])
def test_samples_missing_at_every_seam(a: Any, lost: Any, cut: Any) -> None:
    pieces = packets(a)
    if cut == "start":
        pieces = [pieces[0], *(piece[lost:] for piece in pieces[1:])]
    else:
        pieces = [*(piece[:-lost] for piece in pieces[:-1]), pieces[-1]]
    found = explained(*sides(a, pieces))
    assert found.words == f"{lost} samples missing at 9 of 9 seams; the rest agrees within rounding"
    assert found.names == ("samples_at_seams",)


def test_samples_added_at_some_seams(a: Any) -> None:
    pieces = packets(a)
    for k in (2, 5):
        pieces[k] = np.concatenate([pieces[k][:100], pieces[k]])
    found = explained(*sides(a, pieces))
    assert found.words.startswith("100 samples added at 2 of 9 seams")


def test_samples_missing_elsewhere_are_not_put_at_a_seam(a: Any) -> None:
    pieces = packets(a)
    pieces[3] = np.delete(pieces[3], np.arange(4000, 4100))
    found = explained(*sides(a, pieces))
    assert found.names == ("samples_at_seams",) and "1 jump away from any seam" in found.words
    assert evidence(found, "samples_at_seams")["seams_hit"] == 0


def test_samples_missing_at_both_ends(a: Any) -> None:
    pieces = packets(a)
    pieces[0], pieces[-1] = pieces[0][555:], pieces[-1][:-40]
    found = explained(*sides(a, pieces))
    assert "555 samples missing at the start" in found.words and "40 samples missing at the end" in found.words


def test_short_context_decays_after_each_seam(a: Any) -> None:
    pieces = [p if k < 3 else p + burst(PACKET, k) for k, p in enumerate(packets(a))]
    found = explained(*sides(a, pieces))
    assert found.names == ("left_context_too_short",), found.words
    assert "first 3 of 10 packets agree" in found.words and "at least 8 and fewer than 12 frames" in found.words
    # exp(-n/800) is a tenth at n = 1842; bins are 120 samples and the noise adds some.
    assert 1200 <= evidence(found, "left_context_too_short")["decay_samples"] <= 2600


def test_a_stretch_lost_and_short_context_are_both_found(a: Any) -> None:
    pieces = [p if k < 1 else (p + 0.3 * burst(PACKET, k))[555:] for k, p in enumerate(packets(a))]
    found = explained(*sides(a, pieces))
    assert "samples_at_seams" in found.names and "555 samples missing at 9 of 9 seams" in found.words


@pytest.mark.parametrize("fault", ["mid-packet", "gain", "first packet", "one packet of many"])
def test_other_differences_are_not_short_context(a: Any, fault: Any) -> None:
    pieces = packets(a)
    if fault == "mid-packet":
        pieces = [p + np.roll(burst(PACKET, k), 3840) * (np.arange(PACKET) >= 3840) for k, p in enumerate(pieces)]
    elif fault == "gain":
        pieces = [p * (1 if k < 3 else 0.5) for k, p in enumerate(pieces)]
    elif fault == "first packet":
        pieces = [p + burst(PACKET, k) for k, p in enumerate(pieces)]
    else:
        pieces[3] = pieces[3] + burst(PACKET, 3)
    assert "left_context_too_short" not in explained(*sides(a, pieces)).names


def test_wrong_frames_cut(a: Any) -> None:
    pieces = packets(a)[:3] + [a[k * PACKET - 2 * FRAME : (k + 1) * PACKET - 2 * FRAME] for k in range(3, 10)]
    found = explained(*sides(a, pieces))
    assert "wrong_frames_cut" in found.names
    assert found.words.startswith("wrong frames cut: 2 frames added at 1 of 9 seams, first at 0.960 s")


def test_a_loss_that_is_no_whole_frame_is_not_wrong_frames(a: Any) -> None:
    pieces = [p[: -(FRAME - 1)] if k == 2 else p for k, p in enumerate(packets(a))]
    found = explained(*sides(a, pieces))
    assert found.names == ("samples_at_seams",) and f"{FRAME - 1} samples missing at 1 of 9" in found.words


def test_different_codes_name_the_frame(a: Any) -> None:
    b = a.copy()
    b[9 * FRAME : 12 * FRAME] = 0.05 * np.random.default_rng(2).standard_normal(3 * FRAME)
    found = explained(*sides(a, packets(b), codes=("c", "d")))
    assert found.names == ("different_codes",) and "not the decoder" in found.words and "frame 9" in found.words
    assert "different_codes" not in explained(*sides(a, packets(b))).names
    assert "different_codes" not in explained(*sides(a, packets(b), codes=("c", None))).names


def test_pops_of_both_come_from_the_codes() -> None:
    a = source("noise")
    times = (0.31, 0.92, 1.7, 2.2)
    one, other = (replace(side, pops_s=times) for side in sides(a, packets(a + np.float32(1e-7))))
    found = explain_difference(one, other, residual(one, other), matched_pops=4, chance=0.01)
    assert "same_pops" in found.names and "4 of 4 and 4" in found.words
    for matched, chance in ((1, 0.01), (0, 0.01), (4, 0.9), (4, None)):
        assert "same_pops" not in explain_difference(one, other, residual(one, other), matched, chance).names


def test_all_of_the_set_are_tested_and_reported() -> None:
    a = source("noise")
    names = [finding.name for finding in explained(*sides(a, packets(a * np.float32(0.999)))).findings]
    assert names == [
        "same_bytes",
        "different_codes",
        "wrong_frames_cut",
        "samples_at_seams",
        "left_context_too_short",
        "rounding_only",
        "same_pops",
    ]
