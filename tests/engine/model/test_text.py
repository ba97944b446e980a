"""Tokenisation: the split patterns of small and large vocabularies, added tokens, and what comes of broken files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from ttsctl.core.errors import InputError
from ttsctl.engine.model.checkpoint import BUILTIN
from ttsctl.engine.model.text import load_tokenizer

NAMES = ("vocab.json", "merges.txt", "tokenizer_config.json")


def _copy(folder: Path) -> Path:
    for name in NAMES:
        shutil.copy(BUILTIN / name, folder / name)
    return folder


def _enlarged(folder: Path) -> Path:
    """The built-in's files with a vocabulary of over 100,000 entries; the added tokens move up behind it."""
    _copy(folder)
    vocab = json.loads((folder / "vocab.json").read_text())
    vocab |= {f"filler{i}": i for i in range(len(vocab), 100_001)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    added = settings["added_tokens_decoder"].values()
    settings["added_tokens_decoder"] = {str(len(vocab) + i): entry for i, entry in enumerate(added)}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def _pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return [text[start:end] for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def test_small_vocabulary_keeps_the_qwen2_split() -> None:
    tokenizer = load_tokenizer(BUILTIN)
    assert _pieces(tokenizer, "camelCase") == ["camelCase"]
    assert _pieces(tokenizer, "don't 12") == ["don", "'t", " ", "1", "2"]
    # A Thai vowel sign is a mark, which the Qwen2 pattern does not count among the letters.
    assert len(_pieces(tokenizer, "ที่นี่")) > 1


@pytest.mark.slow
def test_large_vocabulary_takes_the_other_split(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(_enlarged(tmp_path))
    assert tokenizer.get_vocab_size() > 100_000
    assert _pieces(tokenizer, "camelCase HTTPServer") == ["camel", "Case", " HTTPServer"]
    assert _pieces(tokenizer, "ที่นี่") == ["ที่นี่"]
    assert _pieces(tokenizer, "don't 12") == ["don", "'t", " ", "1", "2"]
    assert _pieces(tokenizer, "a//\n b") == ["a", "//\n", " b"]


def test_added_tokens_are_single_ids() -> None:
    tokenizer = load_tokenizer(BUILTIN)
    start = tokenizer.token_to_id("<|im_start|>")
    assert tokenizer.encode("<|im_start|>a").ids[0] == start


def test_text_is_normalised_to_nfc() -> None:
    tokenizer = load_tokenizer(BUILTIN)
    assert tokenizer.encode("cafe\u0301").ids == tokenizer.encode("caf\u00e9").ids


def test_tokenizer_json_alone_gives_the_same_ids(tmp_path: Path) -> None:
    whole = load_tokenizer(BUILTIN)
    whole.save(str(tmp_path / "tokenizer.json"))
    text = "Good morning. 今天天气很好。<|im_end|>"
    assert load_tokenizer(tmp_path).encode(text).ids == whole.encode(text).ids


def test_every_byte_survives() -> None:
    tokenizer = load_tokenizer(BUILTIN)
    text = "Zażółć gęślą jaźń — 混ぜる 🙂\tEnd"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no vocab\.json"):
        load_tokenizer(tmp_path)
    folder = _copy(tmp_path)
    (folder / "vocab.json").write_text('{"a": 0')
    with pytest.raises(InputError, match="not a readable tokenizer file"):
        load_tokenizer(folder)


def test_a_moved_special_token_is_an_error(tmp_path: Path) -> None:
    folder = _copy(tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    added = settings["added_tokens_decoder"]
    settings["added_tokens_decoder"] = {str(int(number) + 7): entry for number, entry in added.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="should be id"):
        load_tokenizer(folder)
