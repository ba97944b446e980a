"""How many layers a checkpoint has: config and weights must agree, and are compared before anything is built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from safetensors.torch import load_file, save_file

from tests.cli.cli_helpers import BUILTIN
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine import loading
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.placement import place

KEYS = [
    ("", "talker_config.num_hidden_layers", 3, "talker.model.layers.N"),
    ("", "talker_config.code_predictor_config.num_hidden_layers", 2, "talker.code_predictor.model.layers.N"),
    ("speech_tokenizer", "decoder_config.num_hidden_layers", 2, "decoder.pre_transformer.layers.N"),
]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUILTIN, tmp_path / "checkpoint"))


def change(path: Path, key: str, value: int) -> None:
    whole = table = json.loads(path.read_text())
    *tables, last = key.split(".")
    for name in tables:
        table = table[name]
    table[last] = value
    path.write_text(json.dumps(whole))


def load(folder: Path) -> None:
    opened, placement = open_checkpoint(str(folder)), place(Config())
    loading.open_generator(opened, placement)
    loading.open_decoder(opened, placement)


@pytest.mark.parametrize(("part", "key", "count", "layers"), KEYS)
@pytest.mark.parametrize("more", [100, 1, -1])
def test_another_number_is_refused_before_a_network_is_built(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, part: str, key: str, count: int, layers: str, more: int
) -> None:
    built: list[object] = []

    def counting(make: Callable[[], Any]) -> Any:
        built.append(make)
        return build_on_meta(make)

    monkeypatch.setattr(loading, "build_on_meta", counting)
    change(checkpoint / part / "config.json", key, count + more)
    where = rf"{checkpoint / part / 'config.json'}: {key} is {count + more}, but the weights beside it name {count} of "
    with pytest.raises(InputError, match=where + layers):
        load(checkpoint)
    # The talker's network may stand by the time that the codec is looked at.
    assert len(built) == (1 if part else 0)


def test_codebooks_are_counted_too(checkpoint: Path) -> None:
    opened = open_checkpoint(str(checkpoint))
    codec = replace(opened.codec_sizes, num_quantizers=32)
    with pytest.raises(InputError, match=r"num_quantizers - 1 is 31, but the weights beside it name 15 of .*rvq_rest"):
        loading.open_decoder(replace(opened, codec_sizes=codec), place(Config()))


def test_a_gap_in_the_numbers_and_numbers_without_end(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    tensors = load_file(path)
    renamed = {name.replace("talker.model.layers.1.", "talker.model.layers.7."): t for name, t in tensors.items()}
    save_file(renamed, path)
    with pytest.raises(InputError, match=r"num_hidden_layers is 3, but .* name 3 of .*N \(numbers 0 to 7\)"):
        load(checkpoint)
    endless = f"talker.model.layers.{'9' * 6000}.x"
    save_file({**tensors, endless: tensors["talker.model.norm.weight"].clone()}, path)
    with pytest.raises(InputError, match=r"unknown talker\.model\.layers\.999"):
        load(checkpoint)


def test_the_built_in_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what is refused above is refused for its numbers alone."""

    def never(*_: object) -> NoReturn:
        raise AssertionError("not wanted")

    load(BUILTIN)
    monkeypatch.setattr(loading, "build_on_meta", never)
    with pytest.raises(AssertionError, match="not wanted"):
        load(BUILTIN)
