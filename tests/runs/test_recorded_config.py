"""The configuration of an earlier run: out of every file that holds one, and clear where there is none or several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ttsctl.bisect.sources import read_source
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.runs.recorded_config import read_config_source
from ttsctl.runs.resolve_config import config_of_file, resolve_config

THEN = resolve_config(None, None, ["stream.packet_tokens=2", "sampling.policy=seeded", "sampling.seed=7"])


def record(path: Path, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"config": THEN.to_dict(), "config_sha256": THEN.sha256, **more}), encoding="utf-8")
    return path


def sweep_summary(path: Path, names: tuple[str, ...] = ("a", "p8")) -> Path:
    settings: dict[str, dict[str, Any]] = {"a": {}, "p8": {"stream.packet_tokens": 8, "backend.mkldnn": "null"}}
    return record(path, conditions=[{"name": name, "settings": settings[name]} for name in names])


@pytest.mark.parametrize("name", ["summary.json", "meta_x.json", "baseline.json"])
def test_every_file_of_an_earlier_run(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name)
    assert config_of_file(path, None, []) == THEN
    changed = config_of_file(path, "elsewhere", ["stream.packet_tokens=4"])
    assert (changed.stream.packet_tokens, changed.engine.checkpoint) == (4, "elsewhere")
    assert changed.sampling == THEN.sampling


@pytest.mark.parametrize("name", ["summary.json", "baseline.json"])
def test_a_folder_stands_for_its_summary_or_baseline(tmp_path: Path, name: str) -> None:
    record(tmp_path / name)
    assert config_of_file(tmp_path, None, []) == THEN


def test_a_key_that_is_no_longer_known_is_named_with_the_nearest(tmp_path: Path) -> None:
    then = THEN.to_dict()
    then["stream"]["packet_token"] = then["stream"].pop("packet_tokens")
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"config": then}))
    with pytest.raises(InputError, match=r"summary\.json: unknown key 'stream\.packet_token'.*'stream\.packet_tokens'"):
        config_of_file(path, None, [])


def test_of_several_configurations_one_is_named(tmp_path: Path) -> None:
    path = sweep_summary(tmp_path / "summary.json")
    with pytest.raises(InputError, match=r"expected one configuration, got 2 conditions: a, p8; .*summary\.json#a"):
        config_of_file(path, None, [])
    assert config_of_file(Path(f"{path}#a"), None, []) == THEN
    p8 = config_of_file(Path(f"{path}#p8"), None, [])
    assert (p8.stream.packet_tokens, p8.backend.mkldnn, p8.sampling) == (8, None, THEN.sampling)
    assert config_of_file(Path(f"{tmp_path}#p8"), None, []) == p8
    with pytest.raises(InputError, match=r"nothing in it has the name 'p9'; did you mean 'p8'"):
        config_of_file(Path(f"{path}#p9"), None, [])


def test_a_single_condition_needs_no_name(tmp_path: Path) -> None:
    path = sweep_summary(tmp_path / "summary.json", ("p8",))
    assert config_of_file(path, None, []).stream.packet_tokens == 8


def test_a_name_with_the_separator_in_it_is_a_name(tmp_path: Path) -> None:
    assert config_of_file(record(tmp_path / "run#2" / "summary.json"), None, []) == THEN
    toml = tmp_path / "a#b.toml"
    toml.write_text("[stream]\npacket_tokens = 2\n")
    assert config_of_file(toml, None, []).stream.packet_tokens == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"config": null}', "expected a configuration, got none"),
        ("[1]", "expected a configuration, got none"),
        ('{"codes_conditions": {}}', "kept no configuration"),
        ('{"config": {"stream": 4}}', "'stream' is a table"),
        ('{"config": {"stream": {"packet_tokens": -1}}}', "stream.packet_tokens"),
        ('{"config": {}, "conditions": [{"name": "a", "settings": 3}]}', "expected a table of settings"),
    ],
)
def test_what_holds_none_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        config_of_file(path, None, [])


def test_an_empty_folder_and_a_name_after_toml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither summary\.json nor baseline\.json"):
        config_of_file(tmp_path, None, [])
    (tmp_path / "a.toml").write_text("")
    with pytest.raises(InputError, match="a TOML file has one configuration"):
        read_config_source(Path(f"{tmp_path}/a.toml#x"))


def test_bisect_reads_the_same_files(tmp_path: Path) -> None:
    path = sweep_summary(tmp_path / "summary.json")
    with pytest.raises(InputError, match="expected one configuration"):
        read_source(path, None, [])
    with pytest.raises(InputError, match="provenance"):
        read_source(Path(f"{path}#p8"), None, [])
    assert read_source(_toml(tmp_path), None, []).config == Config()


def _toml(folder: Path) -> Path:
    path = folder / "empty.toml"
    path.write_text("")
    return path
