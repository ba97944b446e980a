"""What dump-codes and synth say of times: medians, the longest, stalls, and where the runs first differ."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.fakes import STALL_MS, FakeEngine
from ttsctl.core.config import Config
from ttsctl.core.request import Request, Voice
from ttsctl.report import dump_codes, synth
from ttsctl.report.time_spread import spread_words, time_spread
from ttsctl.runs import engines

STALLED, STEADY = (Request(f"This is {name}.", Voice("v"), text_id=name) for name in ("stalls", "steady"))
STOPPED = f"{STALL_MS + 50:.0f} ms against a median of 50 ms"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    found = FakeEngine(faults={"stalls": "stall", "drifts": "drift"})
    monkeypatch.setattr(engines, "load_engine", lambda config: found)
    yield found


def shown(render: Any, summary: Any) -> list[list[str]]:
    stream = io.StringIO()
    render(summary, Console(file=stream, width=160))
    return [line.split() for line in stream.getvalue().splitlines()]


def test_dump_codes_shows_the_longest_time_and_lists_the_stall(engine: FakeEngine, tmp_path: Path) -> None:
    summary, _ = dump_codes.run_dump_codes(Config(), [STALLED, STEADY], 4, tmp_path, lambda: None)
    stalled, steady = summary.requests
    assert (stalled.stalls, steady.stalls) == (1, 0)
    assert summary.notes == [f"stall in stalls_run3, before packet 2: {STOPPED}"]
    seconds = stalled.times["total_s"]
    assert [seconds.p50, seconds.max] == pytest.approx([0.27, 6.27]) and seconds.n == 4
    rows = shown(dump_codes.render, summary)
    # 14 frames in packets of 4: the last one's audio is there at 120 + 3 · 50 ms.
    assert ["stalls", "120/120/120", "160/160/160", "0.27/5.37/6.27", "0.179/0.179/0.179", "1"] in rows
    assert ["steady", "120/120/120", "160/160/160", "0.27/0.27/0.27", "0.179/0.179/0.179", "0"] in rows


def test_dump_codes_says_where_the_runs_first_differ_and_how(engine: FakeEngine, tmp_path: Path) -> None:
    drifts = Request("This is it.", Voice("v"), text_id="drifts")
    summary, _ = dump_codes.run_dump_codes(Config(), [drifts, STEADY], 3, tmp_path, lambda: None)
    first, second = summary.requests
    assert (first.first_diff_frame, first.first_diff_kind, first.first_diff_reason) == (9, "value", None)
    assert (second.first_diff_frame, second.first_diff_reason) == (None, "all runs are equal")
    rows = shown(dump_codes.render, summary)
    assert any(row[:7] == ["drifts", "3", "14", "2", "1", "9", "(value)"] for row in rows)
    assert any(row[:6] == ["steady", "3", "14", "1", "1", "–"] for row in rows)


def test_one_run_of_few_packets_says_nothing_about_stalls(engine: FakeEngine, tmp_path: Path) -> None:
    engine.frames = 8
    (request,) = dump_codes.run_dump_codes(Config(), [STEADY], 1, tmp_path, lambda: None)[0].requests
    assert request.stalls is None and request.stalls_reason == "fewer than 3 runs, and of packets in each"
    assert request.first_diff_reason == "one run alone shows no drift"


def test_synth_shows_the_packets_and_their_longest_time(engine: FakeEngine, tmp_path: Path) -> None:
    # The third stream of the text is the one that stops.
    engine.calls += [("stream", "stalls")] * 2
    summary, _ = synth.run_synth(Config(), STALLED, tmp_path, lambda: None)
    assert summary.stalls == 1 and f"stall in stream, before packet 2: {STOPPED}" in summary.notes
    assert summary.packets.packets == 4 and summary.packets.frames_max == 4
    assert summary.packets.samples_total == 14 * 1920 and summary.packets.samples_min == 2 * 1920
    assert summary.chunks == -(-14 * 1920 // 720)
    assert summary.timings["total_s"] == pytest.approx(6.27)
    assert summary.timings["wall_rtf"] == pytest.approx(6.27 / (14 * 0.08))
    assert ["decode_ms", "10", "10", "10", "4"] in shown(synth.render, summary)


def test_a_spread_leaves_out_what_is_missing() -> None:
    assert time_spread([None, None]) is None and spread_words(None) == "–"
    found = time_spread([1.0, None, 3.0, 2.0])
    assert found is not None and (found.p50, found.max, found.n) == (2.0, 3.0, 3)
    assert spread_words(found) == "2/2.9/3"
