"""The decode bench: what it counts and computes. No time is tested, only what is made of times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from ttsctl.audio.bench import AlignmentTime, DetectorTime, PopsBench
from ttsctl.cli import bench as bench_cli
from ttsctl.core.bench_results import DecodeBench, with_relative_costs
from ttsctl.core.config import Config, DecoderConfig, StreamConfig
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.engine.bench.codegen_bench import bench_codegen, weight_bytes_a_frame
from ttsctl.engine.bench.decode_bench import bench_decode, full_packets, growth_of
from ttsctl.engine.bench.random_networks import RELEASED_CODEC, random_codec, released_talker
from ttsctl.engine.bench.voice_bench import bench_voice
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.talker import Codegen
from ttsctl.report.bench import BenchDecodeSummary, BenchPopsSummary, summarise_decode, summarise_pops
from ttsctl.report.bench_codegen import BenchCodegenSummary
from ttsctl.report.bench_voice import BenchVoiceSummary
from ttsctl.report.summary import Summary

CHECKPOINT = str(Path(__file__).parents[1] / "data" / "oracle" / "projected")
FRAMES = 30


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(stream=StreamConfig(packet_tokens=4, left_context=8))


@pytest.fixture(scope="module")
def result(config: Config) -> DecodeBench:
    return bench_decode(config, CHECKPOINT, frames=FRAMES, rounds=2)


def test_every_mode_decodes_all_frames(result: DecodeBench) -> None:
    assert [mode.mode for mode in result.modes] == ["oneshot", "windowed", "cached", "incremental"]
    assert {mode.samples for mode in result.modes} == {FRAMES * 1920}
    assert [mode.calls for mode in result.modes] == [1, 8, 8, 8]
    assert [len(mode.packet_ms) for mode in result.modes] == [0, 8, 8, 8]
    assert all(mode.frame_ms for mode in result.modes)
    assert [mode.growth is None for mode in result.modes] == [True, False, False, False]


def test_legacy_padding_shows_in_the_counts() -> None:
    config = Config(stream=StreamConfig(left_context=8), decoder=DecoderConfig(padding="legacy"))
    modes = bench_decode(config, CHECKPOINT, frames=8, rounds=1).modes
    assert [mode.samples_expected - mode.samples for mode in modes] == [555, 2 * 555, 2 * 555, 555]


def test_only_whole_packets_behind_a_full_context_count() -> None:
    """25 frames of context are full at the packet that starts at 28; the last one, of 2 frames, is no whole packet."""
    times = [float(i) for i in range(10)]
    assert full_packets(times, frames=38, size=4, left_context=25) == [7.0, 8.0]
    assert full_packets(times, frames=40, size=4, left_context=0) == times[1:]
    assert full_packets([1.0], frames=4, size=4, left_context=25) == []


def test_growth_of_a_line_is_its_slope_and_an_outlier_does_not_move_it() -> None:
    times = [10.0 + 0.5 * i for i in range(20)]
    times[7] = 500.0
    growth = growth_of(times)
    assert growth is not None
    assert growth.slope_ms_a_packet == pytest.approx(0.5)
    assert growth.slope_low > 0
    assert (growth.first_quartile_ms, growth.last_quartile_ms) == (11.0, 18.5)
    assert growth.ratio == pytest.approx(18.5 / 11.0)


def test_no_growth_has_zero_in_its_interval() -> None:
    times = 10 + np.random.default_rng(0).uniform(0, 1, 40)
    growth = growth_of(list(times))
    assert growth is not None
    assert growth.slope_low < 0 < growth.slope_high


def test_too_few_frames_leave_a_null_with_a_reason(config: Config) -> None:
    bench = bench_decode(config, CHECKPOINT, frames=8, rounds=1)
    summary = summarise_decode(bench, config)
    windowed = summary.modes[1]
    assert windowed.frame_ms is None
    assert windowed.growth is None
    assert "give more frames" in (windowed.reason or "")
    assert [target.held for target in summary.targets] == [None, None]


def test_no_frames_are_refused(config: Config) -> None:
    with pytest.raises(InputError, match="0 frames"):
        bench_decode(config, CHECKPOINT, frames=0)


def test_targets_compare_costs_of_one_run(result: DecodeBench, config: Config) -> None:
    costs = {"oneshot": 10.0, "windowed": 60.0, "cached": 50.0, "incremental": 12.0}
    modes = with_relative_costs(replace(mode, frame_ms=costs[mode.mode]) for mode in result.modes)
    summary = summarise_decode(replace(result, modes=modes), config)
    wanted: list[Any] = [(pytest.approx(1.2), True), (pytest.approx(5.0), True)]
    assert [(t.value, t.held) for t in summary.targets] == wanted
    costs["incremental"] += 2
    slow = with_relative_costs(replace(mode, frame_ms=costs[mode.mode]) for mode in result.modes)
    summary = summarise_decode(replace(result, modes=slow), config)
    assert [t.held for t in summary.targets] == [False, False]


def test_alignment_target_goes_with_its_length() -> None:
    detector = DetectorTime(audio_s=60.0, wall_s=0.5, cpu_s=0.5, x_realtime=120.0, pops=0)
    jumps = {"jumps": 3, "jumps_of_expected_size": 3, "jumps_expected": 3}
    alignment = AlignmentTime(audio_s=300.0, wall_s=2.6, cpu_s=2.6, coverage=1.0, **jumps)
    summary = summarise_pops(PopsBench(detector, alignment), collect_provenance())
    assert [(target.limit, target.held) for target in summary.targets] == [(100.0, True), (2.5, False)]


def test_a_frame_of_code_generation_stands_beside_its_memory_floor() -> None:
    bench = bench_codegen(Config(), "builtin", frames=3)
    assert [stage.stage for stage in bench.stages] == ["talker", "draw", "predictor"] and bench.frames == 3
    assert all(0 < stage.fastest_ms <= stage.ms <= stage.slowest_ms for stage in bench.stages)
    assert 0 < bench.frame_fastest_ms <= bench.frame_ms
    assert bench.floor_ms == pytest.approx(bench.weight_bytes / bench.memory_gb_s / 1e6)
    assert bench.over_floor == pytest.approx(bench.frame_fastest_ms / bench.floor_ms)


def test_the_weights_of_a_released_frame_are_those_of_its_products() -> None:
    """0.6B, counted by hand: 28 layers once and 5 layers 15 times of 15.73 M, the heads of 3072 and 15 times 2048."""
    talker = build_on_meta(lambda: Codegen(released_talker(1000))).talker
    layer, norms = 1024 * (2 * 2048 + 2 * 1024 + 3 * 3072), 2 * 1024 + 2 * 128
    heads = 1024 * (3072 + 15 * 2048) + 16 * 1024
    assert weight_bytes_a_frame(talker) == 4 * ((28 + 15 * 5) * (layer + norms) + heads)


@pytest.mark.parametrize(("options", "says"), [({"frames": 0}, "at least one"), ({"size": "3B"}, "0.6B or 1.7B")])
def test_a_bench_of_code_generation_that_cannot_run_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        bench_codegen(Config(), **options)


def test_the_stages_of_a_voice_and_what_a_second_costs() -> None:
    bench = bench_voice(Config(), "builtin-base", seconds=0.5, rounds=2)
    assert bench.frames == 7
    assert [stage.stage for stage in bench.stages] == ["speaker_encoder", "codec_encoder", "prime", "copy"]
    for stage in bench.stages:
        assert 0 < stage.fastest_ms <= stage.ms <= stage.slowest_ms
        if stage.stage == "copy":
            assert stage.reference_second_ms is None and stage.wall_x_realtime is None
        else:
            assert stage.reference_second_ms == pytest.approx(stage.ms / 0.5)
            assert stage.wall_x_realtime == pytest.approx(500 / stage.ms)


@pytest.mark.parametrize(
    ("checkpoint", "seconds", "says"),
    [("builtin-base", 0.0, "0.1 to 120 s"), ("builtin", 1.0, "no codec encoder")],
)
def test_a_voice_that_cannot_be_cloned_is_refused(checkpoint: str, seconds: float, says: str) -> None:
    with pytest.raises(InputError, match=says):
        bench_voice(Config(), checkpoint, seconds)


def test_random_codec_is_made_from_its_seed_alone() -> None:
    transformer = replace(RELEASED_CODEC.transformer, hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    small = replace(RELEASED_CODEC, transformer=transformer, codebook_size=8, codebook_dim=8, latent_dim=16)
    small = replace(small, decoder_dim=32)
    codes = torch.arange(32).reshape(2, 16) % 8

    def pcm(seed: int) -> torch.Tensor:
        codec: SpeechTokenizer = random_codec(small, seed, torch.device("cpu"), torch.float32)
        found: torch.Tensor = codec.decoder(codes)
        return found

    before = torch.random.get_rng_state()
    first = pcm(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, pcm(1))
    assert not torch.equal(first, pcm(2))
    assert 0 < float(first.abs().max()) < 1


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        (["decode", "--checkpoint", CHECKPOINT, "--frames", "8", "--rounds", "1"], BenchDecodeSummary),
        (["codegen", "--checkpoint", CHECKPOINT, "--frames", "2"], BenchCodegenSummary),
        (["voice", "--checkpoint", "builtin-base", "--seconds", "1", "--rounds", "2"], BenchVoiceSummary),
        (["pops", "--seconds", "2", "--align-seconds", "4"], BenchPopsSummary),
    ],
)
def test_command_prints_its_summary_alone(
    arguments: list[str],
    model: type[Summary],
    tmp_path: Path,
) -> None:
    app = typer.Typer()
    app.add_typer(bench_cli.app, name="bench")
    done = CliRunner().invoke(app, ["bench", *arguments, "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    summary = model.model_validate_json(done.stdout)
    written = next(tmp_path.glob("bench-*/2*/summary.json"))
    assert model.model_validate_json(written.read_text()) == summary
