"""The largest steps of the audio, and how many codes change where they are: planted in one variant or in all."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from tests.fakes import FakeEngine, codes_of
from ttsctl.ablate.code_jumps import code_jumps
from ttsctl.ablate.findings import Side
from ttsctl.ablate.run import ablate_codes
from ttsctl.ablate.spikes import Spike, largest_spikes, variant_spikes
from ttsctl.ablate.summary import summarise
from ttsctl.ablate.tables import render
from ttsctl.core.audio import PcmArray

FRAME, FRAMES, RATE = 1920, 12, 24_000
PACKETS = (4, 4, 4)


def codes() -> np.ndarray:
    """Constant, but for 5 codebooks that change into frame 4 and all 16 that change into frame 9."""
    held = np.full((FRAMES, 16), 100, np.int64)
    held[4:, :5] += 32
    held[9:] += 8
    return held


def pcm(*edges: tuple[int, float]) -> PcmArray:
    """A quiet tone that is stepped by a height at each sample."""
    made = 0.01 * np.sin(np.arange(FRAMES * FRAME) / 40)
    for sample, height in edges:
        made[sample:] += height
    return made.astype(np.float32)


def spikes(**variants: PcmArray) -> dict[str, Spike]:
    """By frame, the two largest."""
    found = {}
    for name, samples in variants.items():
        side = Side(name, samples, tuple(frames * FRAME for frames in PACKETS))
        found[name] = variant_spikes(side, PACKETS, FRAMES - 1, RATE)
    return {f"{row.frame}": row for row in largest_spikes(found, code_jumps(codes()).per_codebook)[:2]}


def test_each_spike_has_the_frame_it_steps_into_and_the_codes_that_change_there() -> None:
    found = spikes(a=pcm((4 * FRAME, 0.2), (9 * FRAME, 0.4)), b=pcm((9 * FRAME + 700, 0.3)))
    assert list(found) == ["9", "4"], "the largest first"
    everywhere, alone = found["9"], found["4"]
    assert (everywhere.codes_changed, everywhere.codebooks, everywhere.jump_mean) == (16, 16, 8.0)
    assert (everywhere.variants, everywhere.largest_in) == (("a", "b"), "a")
    assert everywhere.step == pytest.approx(0.4, abs=1e-3) and everywhere.time_s == (9 * FRAME - 1) / RATE
    assert (alone.codes_changed, alone.jump_mean, alone.variants) == (5, 10.0, ("a",))


def test_a_spike_where_no_code_changes_says_so_and_frame_0_has_none_before_it() -> None:
    found = spikes(a=pcm((2 * FRAME + 50, 0.4), (100, 0.3)))
    assert (found["2"].codes_changed, found["2"].jump_mean) == (0, 0.0)
    assert (found["0"].codes_changed, found["0"].jump_mean) == (None, None)


def test_the_table_lists_spikes_where_no_pop_is_found(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    np.save(tmp_path / "codes.npy", codes_of("spikes", 14))
    monkeypatch.setattr("ttsctl.ablate.run.load_engine", lambda config: FakeEngine())
    summary = summarise(ablate_codes(tmp_path / "codes.npy", [], [], ["A_oneshot", "D_cached"]))
    assert not any(row.pops_s for row in summary.variants)
    assert 5 <= len(summary.spikes) <= 14
    assert [spike.step for spike in summary.spikes] == sorted((s.step for s in summary.spikes), reverse=True)
    file = io.StringIO()
    render(summary, Console(file=file, width=200))
    assert "spikes: largest" in file.getvalue() and f"{summary.spikes[0].time_s:.4f}" in file.getvalue()
