"""The bench of recording: what it counts and computes. No time is tested, only what is made of times."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom

from ttsctl.cli.main import run
from ttsctl.core.bench_results import TraceBench
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.bench.random_networks import random_talker, released_talker
from ttsctl.engine.bench.trace_bench import LEVELS, _level_time, _Run, bench_trace, median_interval
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.talker import Codegen
from ttsctl.report.bench import BenchTraceSummary, summarise_trace

CHECKPOINT = str(Path(__file__).parents[1] / "data" / "oracle" / "projected")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the process's signal handlers and, where a thread still hangs, ends it for good: not here."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(os, "_exit", sys.exit)


@pytest.fixture(scope="module")
def result() -> TraceBench:
    return bench_trace(Config(), CHECKPOINT, frames=3, rounds=2)


@pytest.mark.slow
def test_every_level_records_what_it_says(result: TraceBench) -> None:
    assert [level.level for level in result.levels] == list(LEVELS)
    none, codes, stages, modules = result.levels
    assert (none.prints, none.draws, none.relative_cost) == (0, 0, 1.0)
    assert codes.prints == 0 and codes.draws == (3 * 16 + 1) / 3
    assert 30 < stages.prints < 100 < 300 < modules.prints
    assert result.clock == "cpu" and result.frames == 3


def test_a_round_is_compared_with_itself() -> None:
    """A machine that is twice as slow in one round changes no ratio."""
    plain = [_Run(4, s, 0.7 * s, 0.3 * s, 0, 0) for s in (1.0, 2.0, 1.0, 4.0, 1.0, 3.0)]
    costly = [replace(run, code_s=1.5 * run.code_s, decode_s=1.5 * run.decode_s) for run in plain]
    found = _level_time("modules", costly, plain)
    assert found.relative_cost == pytest.approx(1.5) == pytest.approx(found.relative_low)
    assert found.relative_high == pytest.approx(1.5)


@pytest.mark.parametrize("count", [*range(6, 16), 25, 40])
def test_the_interval_is_the_sign_tests(count: int) -> None:
    """The narrowest pair of order statistics that holds the median with at least 95 %."""
    ordered = [float(i) for i in range(count)]
    rank = max(k for k in range(count // 2) if 2 * binom.cdf(k, count, 0.5) <= 0.05)
    assert median_interval(ordered) == (ordered[rank], ordered[-1 - rank])


def test_no_interval_from_five() -> None:
    assert median_interval([1.0] * 5) == (None, None)


def test_the_interval_covers_the_median() -> None:
    random = np.random.default_rng(1)
    samples = np.sort(random.exponential(size=(2000, 9)), axis=1)
    held = sum(low <= np.log(2) <= high for low, high in map(median_interval, samples.tolist()))
    assert 0.95 <= held / 2000 < 0.99


def test_the_released_size_is_that_of_the_released_checkpoint() -> None:
    """0.6B without the text vocabulary's rows and the speaker encoder: all tensors of the talker, by name and shape."""
    from tests.released import released_shapes

    sizes = released_talker(open_checkpoint("builtin").sizes.text_vocab_size)
    ours = {n: tuple(t.shape) for n, t in build_on_meta(lambda: Codegen(sizes)).state_dict().items()}
    wanted = {n: s for n, s in released_shapes("0.6B-CustomVoice").items() if n.startswith("talker.")}
    vocabulary = "talker.model.text_embedding.weight"
    assert ours.pop(vocabulary)[1] == wanted.pop(vocabulary)[1]
    assert ours == wanted


@pytest.mark.slow
def test_a_random_talker_never_ends_and_repeats() -> None:
    sizes = open_checkpoint(CHECKPOINT).sizes
    cpu = torch.device("cpu")
    one, same, other = (random_talker(sizes, seed, cpu, torch.float32) for seed in (0, 0, 1))
    assert (one.codec_head.weight[sizes.ids.codec_eos] == 0).all()
    assert torch.equal(one.codec_head.weight, same.codec_head.weight)
    assert not torch.equal(one.codec_head.weight, other.codec_head.weight)


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(InputError, match="0 frames"):
        bench_trace(Config(), CHECKPOINT, frames=0)


@pytest.mark.slow
def test_targets_are_judged(result: TraceBench) -> None:
    costs = zip(result.levels, (1.0, 1.02, 1.1, 1.6), strict=True)
    levels = tuple(replace(level, relative_cost=cost) for level, cost in costs)
    summary = summarise_trace(replace(result, levels=levels), Config())
    assert [target.held for target in summary.targets] == [True, False]
    assert "modules / none 1.60 (target <= 1.5)" in summary.headline
    assert summary.notes == ["2 rounds: too few for an interval, which takes 6"]


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--checkpoint", CHECKPOINT, "--frames", "2", "--rounds", "1", "--out", str(tmp_path), "--json"]
    with pytest.raises(SystemExit) as left:
        run(["bench", "trace", *options])
    assert left.value.code == 0
    summary = BenchTraceSummary.model_validate(json.loads(capsys.readouterr().out))
    assert summary.command == "bench-trace" and len(summary.levels) == 4
    assert all(name in summary.definitions for name in ("clock", "trace_cost", "prints"))
