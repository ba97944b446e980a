"""The configuration: layers, strictness, and errors that name key, source and nearest key."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.files import read_toml
from ttsctl.runs.resolve_config import parse_set, resolve_config


def test_layers_in_order() -> None:
    table = {"stream": {"packet_tokens": 8, "chunk_ms": 40}}
    config = resolve_config(table, Path("a.toml"), ["stream.packet_tokens=2", "decoder.mode=oneshot"])
    assert (config.stream.packet_tokens, config.stream.chunk_ms, config.decoder.mode) == (2, 40.0, "oneshot")
    assert config.sampling == Config().sampling


def test_frozen_and_hashed() -> None:
    config = resolve_config(None, None, [])
    with pytest.raises(FrozenInstanceError):
        config.stream.packet_tokens = 5  # type: ignore[misc]
    assert config.sha256 == Config().sha256
    assert config.sha256 != resolve_config(None, None, ["stream.packet_tokens=5"]).sha256
    assert config.sha256 == resolve_config({"stream": {"packet_tokens": 4}}, None, []).sha256


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("stream.packet_token=4", "did you mean 'stream.packet_tokens'"),
        ("strem.packet_tokens=4", "did you mean 'stream'"),
        ("decoder.packet_tokens=4", "did you mean 'stream.packet_tokens'"),
        ('stream.packet_tokens="4"', "valid integer"),
        ("stream.packet_tokens=4.0", "valid integer"),
        ("stream.packet_tokens=true", "valid integer"),
        ("stream.packet_tokens=0", "greater than or equal to 1"),
        ("stream.chunk_ms=inf", "finite"),
        ("sampling.top_p=1.5", "less than or equal to 1"),
        ("decoder.mode=fast", "'oneshot', 'windowed', 'cached' or 'incremental'"),
        ("stream", "expected table.key=value"),
    ],
)
def test_wrong_settings(item: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        resolve_config(None, None, [item])
    assert item in str(caught.value)


def test_a_file_is_named() -> None:
    with pytest.raises(InputError, match=r"suite\.toml: unknown key 'stream\.packets'"):
        resolve_config({"stream": {"packets": 4}}, Path("suite.toml"), [])
    with pytest.raises(InputError, match=r"'stream' is a table"):
        resolve_config({"stream": 4}, Path("suite.toml"), [])


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("sampling.temperature=0.5", 0.5),
        ("engine.device=cpu", "cpu"),
        ('engine.device="cpu"', "cpu"),
        ("a.b=null", None),
    ],
)
def test_values_are_toml_or_words(item: str, value: object) -> None:
    assert next(iter(next(iter(parse_set(item).values())).values())) == value


def test_a_set_resets_to_the_checkpoint() -> None:
    assert resolve_config({"sampling": {"top_k": 5}}, None, ["sampling.top_k=null"]).sampling.top_k is None


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_toml(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("[stream\n")
    with pytest.raises(InputError, match="malformed TOML"):
        read_toml(bad)
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_toml(bad)
