"""``--config`` over what a command runs: over a suite, an experiment and decode variants, and below ``--set``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.cli_helpers import REPO
from tests.fakes import FakeEngine, codes_of
from tests.regress.regress_fakes import write_suite
from ttsctl.ablate.run import ablate_codes
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.regress.command import RegressOptions, run_regress
from ttsctl.regress.suite import load_suite
from ttsctl.runs import engines
from ttsctl.runs.resolve_config import config_of_file, config_source, resolve_config
from ttsctl.sweep.experiment import load_experiment
from ttsctl.sweep.session import SweepOptions, changed_from_outside, resolve_configs

SHIPPED = REPO / "manifests" / "base_golden"


def recorded(folder: Path, *sets: str, **more: Any) -> Path:
    """A summary as an earlier run under these settings left it."""
    then = resolve_config(None, None, list(sets))
    path = folder / "then.json"
    path.write_text(json.dumps({"config": then.to_dict(), **more}), encoding="utf-8")
    return path


def test_the_file_lies_over_the_suite_and_below_the_sets(tmp_path: Path) -> None:
    suite = {"stream": {"packet_tokens": 8, "left_context": 30}, "sampling": {"seed": 3}}
    file = tmp_path / "over.toml"
    file.write_text("[stream]\npacket_tokens = 2\nchunk_ms = 50\n", encoding="utf-8")
    found = resolve_config(suite, Path("suite.toml"), ["stream.chunk_ms=60"], config_source(file))
    stream = found.stream
    assert (stream.packet_tokens, stream.left_context, stream.chunk_ms) == (2, 30, 60)
    assert found.sampling.seed == 3 and config_source(None) is None


def test_a_setting_that_cannot_be_names_the_file_and_not_the_suite(tmp_path: Path) -> None:
    file = tmp_path / "over.toml"
    file.write_text("[stream]\npacket_token = 2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"over\.toml: unknown key .*did you mean 'stream.packet_tokens'"):
        resolve_config({}, Path("suite.toml"), [], config_source(file))


def test_regress_runs_as_an_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "load_engine", lambda config: FakeEngine(config=config))
    suite = write_suite(tmp_path / "suite", "[stream]\npacket_tokens = 8\n")
    then = recorded(tmp_path, "stream.packet_tokens=2", "sampling.seed=7")
    options = {"suite": str(suite), "out": tmp_path / "out"}
    alone = run_regress(RegressOptions(**options))  # type: ignore[arg-type]
    assert alone.result.config.stream.packet_tokens == 8
    again = run_regress(RegressOptions(**options, config_file=then))  # type: ignore[arg-type]
    assert again.result.config == config_of_file(then, None, [])
    # What that run left is a --config file again: its summary, its baseline and its folder.
    for source in (again.home / "summary.json", again.home / "baseline.json", again.home):
        assert config_of_file(source, None, []) == again.result.config


def test_a_sweep_varies_what_lies_over_the_file(tmp_path: Path) -> None:
    experiment = load_experiment(REPO / "suites" / "experiments" / "packet_invariance.toml")
    then = recorded(tmp_path, "stream.packet_tokens=2", "sampling.seed=7")
    base, configs = resolve_configs(experiment, [], config_source(then))
    assert base.sampling.seed == 7 and {config.sampling.seed for config in configs.values()} == {7}
    assert [config.stream.packet_tokens for config in configs.values()] == [4, 8]
    without, _ = resolve_configs(experiment, [])
    assert without.sampling.seed == Config().sampling.seed
    told = changed_from_outside(SweepOptions("packet_invariance", tmp_path, config_file=then))
    assert told == {"config": str(then)}


def test_decode_variants_share_the_file_and_keep_what_they_vary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ttsctl.ablate.run.load_engine", lambda config: FakeEngine(config=config))
    np.save(tmp_path / "codes.npy", codes_of("x", 8))
    then = recorded(tmp_path, "stream.packet_tokens=2", "decoder.padding=legacy")
    only = ["A_oneshot", "B_windowed_72"]
    found = ablate_codes(tmp_path / "codes.npy", ["decoder.transformer=full"], [], only, then)
    assert (found.config.stream.packet_tokens, found.config.decoder.padding) == (2, "legacy")
    assert {v.config.decoder.transformer for v in found.variants} == {"full"}
    assert [v.config.decoder.mode for v in found.variants] == ["oneshot", "windowed"]
    assert {v.config.stream.packet_tokens for v in found.variants} == {2}
    # A summary with several variants says which of them could be meant.
    several = recorded(tmp_path, variants=[{"name": name, "settings": {}} for name in only])
    with pytest.raises(InputError, match=r"expected one configuration, got 2 variants: .*#A_oneshot"):
        ablate_codes(tmp_path / "codes.npy", [], [], only, several)


def test_a_baseline_that_is_older_than_a_key_has_its_default(tmp_path: Path) -> None:
    record = json.loads((SHIPPED / "baseline.json").read_text())
    assert record["config"]["decoder"].pop("reference") == "always"
    (tmp_path / "baseline.json").write_text(json.dumps(record))
    assert config_of_file(tmp_path, None, []) == config_of_file(SHIPPED, None, [])


@pytest.mark.parametrize("source", [SHIPPED, SHIPPED / "baseline.json"])
def test_the_shipped_baseline_is_a_config_file(source: Path) -> None:
    suite = load_suite(REPO / "suites" / "base.toml")
    assert config_of_file(source, None, []) == resolve_config(dict(suite.config_tables), suite.path, [])
    recorded_sha256 = json.loads((SHIPPED / "baseline.json").read_text())["config_sha256"]
    assert config_of_file(source, None, []).sha256 == recorded_sha256
