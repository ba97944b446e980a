"""Stalls: one run of twenty that stopped for six seconds is found, and jitter is none."""

from __future__ import annotations

import numpy as np
import pytest

from ttsctl.core.stalls import Stall, find_stalls, stalled_runs
from ttsctl.core.timing import PacketTiming, packet_stalls, packet_stats

FRAME = 1920


def test_the_run_that_stopped_for_six_seconds_is_the_only_stall() -> None:
    times = [*np.random.default_rng(0).normal(224, 12, 20)]
    times[13] = 6247.0
    found = find_stalls(times, [12] * 20)
    assert found is not None and [(stall.index, stall.ms) for stall in found] == [(13, 6247.0)]
    assert found[0].median_ms == pytest.approx(224, abs=10)


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([10.0, 10.0, 10.0, 10.0, 10.4], "the score alone calls this one out"),
        ([10.0] * 9 + [60.0], "six times as long, and no one hears 50 ms"),
        ([1000.0] * 9 + [1900.0], "900 ms more, and less than twice as long"),
        ([100.0, 150.0, 320.0], "three that differ this much have no usual time"),
        ([*np.random.default_rng(1).uniform(50, 400, 20)], "a wide spread"),
    ],
)
def test_what_is_no_stall(times: list[float], why: str) -> None:
    assert find_stalls(times, [1] * len(times)) == (), why


def test_equal_siblings_do_not_hide_a_stall() -> None:
    """The median absolute deviation is then 0, and a score would be a division by it."""
    assert find_stalls([200.0, 200.0, 200.0, 900.0], [4] * 4) == (Stall(3, 900.0, 200.0),)


def test_more_work_may_take_longer_and_less_work_need_not_be_quicker() -> None:
    assert find_stalls([200.0, 202.0, 201.0, 800.0], [10, 10, 10, 40]) == ()
    assert find_stalls([200.0, 202.0, 201.0, 800.0], [10, 10, 10, 10]) == (Stall(3, 800.0, 201.5),)
    # A short last packet costs as much as a whole one, where every step has one shape.
    assert find_stalls([400.0, 401.0, 402.0, 405.0], [4, 4, 4, 1]) == ()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_siblings_are_not_judged(count: int) -> None:
    assert find_stalls([100.0] * count, [1] * count) is None


def packets(at_ms: list[float | None], samples: int = 4 * FRAME) -> list[PacketTiming]:
    """Packets of 4 frames whose audio came at these times; None: put aside."""
    return [
        PacketTiming(i, 4, 0 if at is None else samples, 10.0, 0.0, None if at is None else 5.0, 100.0 * i, at)
        for i, at in enumerate(at_ms)
    ]


def test_a_stall_between_two_packets_is_listed_with_the_packet_that_came_late() -> None:
    assert packet_stalls(packets([150.0, 250.0, 350.0, 6450.0, 6550.0])) == (Stall(3, 6100.0, 100.0),)


def test_the_first_packet_has_the_prompt_in_it_and_is_no_stall() -> None:
    assert packet_stalls(packets([900.0, 1000.0, 1100.0, 1200.0])) == ()


def test_packets_put_aside_are_no_stalls() -> None:
    at_ms = [None, None, 400.0, None, None, 800.0, None, None, 1200.0, None, None, 1600.0]
    assert packet_stalls(packets(at_ms)) == ()


def test_packets_of_codes_alone_are_judged_by_their_codes() -> None:
    times = [50.0, 150.0, 250.0, 2350.0, 2450.0]
    alone = [PacketTiming(i, 4, 0, 10.0, 0.0, None, at, None) for i, at in enumerate(times)]
    assert packet_stalls(alone) == (Stall(3, 2100.0, 100.0),)
    assert packet_stalls(alone[:3]) is None


def test_a_run_is_not_listed_again_when_its_packet_is() -> None:
    within = [(), (Stall(3, 6100.0, 100.0),), (), None, ()]
    times = [450.0, 6550.0, 451.0, 9000.0, 449.0]
    found = stalled_runs(times, [16] * 5, within, ["1", "2", "3", "4", "5"])
    assert found is not None
    assert [(stall.run, stall.packet, stall.ms) for stall in found] == [("2", 3, 6100.0), ("4", None, 9000.0)]
    assert str(found[0]) == "stall in 2, before packet 3: 6100 ms against a median of 100 ms"
    assert stalled_runs([450.0, 451.0], [16, 16], [None, None], ["1", "2"]) is None


def test_what_packets_hold() -> None:
    rows = packets([None, 100.0, 200.0, 300.0, 400.0])
    held = [(4, None, 0), (4, 5.0, 8 * FRAME), (4, 5.0, 4 * FRAME - 555), (4, 5.0, 0), (0, 5.0, 7)]
    rows = [
        PacketTiming(row.index, frames, samples, 1.0, 0.0, decode_ms, 1.0, None)
        for row, (frames, decode_ms, samples) in zip(rows, held, strict=True)
    ]
    found = packet_stats(rows, FRAME)
    assert (found.packets, found.frames_max, found.zero_calls, found.short_calls) == (5, 4, 1, 1)
    assert (found.samples_total, found.samples_max, found.samples_min) == (12 * FRAME - 548, 8 * FRAME, 0)
    empty = packet_stats([], FRAME)
    assert (empty.frames_max, empty.samples_max, empty.samples_min, empty.zero_calls) == (None, None, None, 0)
