"""Text to ids: Qwen2 byte-level BPE through the ``tokenizers`` library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular
from ttsctl.engine.model.config_files import DAMAGED, read_object

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# For large vocabularies the public package uses another split pattern than Qwen2's.
LARGE_VOCABULARY = 100_000
LARGE_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def load_tokenizer(folder: Path) -> Tokenizer:
    """From vocab.json, merges.txt and tokenizer_config.json if they are there, else from tokenizer.json.

    InputError if neither is there, or if a file is damaged.
    """
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        tokenizer = _from_parts(folder)
    elif (folder / "tokenizer.json").exists():
        tokenizer = _parsed(lambda: Tokenizer.from_file(str(folder / "tokenizer.json")), folder / "tokenizer.json")
    else:
        raise InputError(
            f"{folder}: no vocab.json with merges.txt and no tokenizer.json", "the checkpoint is incomplete"
        )
    if tokenizer.get_vocab_size() > LARGE_VOCABULARY:
        tokenizer.pre_tokenizer = _pre_tokenizer(LARGE_SPLIT)
    return tokenizer


def _from_parts(folder: Path) -> Tokenizer:
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    bpe = _parsed(lambda: models.BPE.from_file(str(vocab), str(merges)), vocab, merges)
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(QWEN2_SPLIT)
    tokenizer.decoder = decoders.ByteLevel()
    for number, entry in _added_tokens(folder / "tokenizer_config.json"):
        _add(tokenizer, number, entry, folder)
    return tokenizer


def _added_tokens(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(id, its entry) in the order of ids."""
    added = read_object(path).get("added_tokens_decoder", {})
    try:
        entries = [(int(number), entry) for number, entry in added.items()]
        well_formed = all(isinstance(entry["content"], str) for _, entry in entries)
    except (AttributeError, KeyError, TypeError, ValueError):
        well_formed = False
    if not well_formed:
        raise InputError(f"{path}: added_tokens_decoder: expected a table from ids to tokens with content", DAMAGED)
    return sorted(entries, key=lambda pair: pair[0])


def _add(tokenizer: Tokenizer, number: int, entry: dict[str, Any], folder: Path) -> None:
    flags = {key: bool(entry.get(key, False)) for key in ("single_word", "lstrip", "rstrip", "normalized")}
    token = AddedToken(entry["content"], special=bool(entry.get("special", False)), **flags)
    (tokenizer.add_special_tokens if entry.get("special") else tokenizer.add_tokens)([token])
    given = tokenizer.token_to_id(entry["content"])
    if given != number:
        raise InputError(
            f"{folder}/tokenizer_config.json: {entry['content']!r} should be id {number}, but is {given}",
            "vocab.json and tokenizer_config.json are not of one model",
        )


def _pre_tokenizer(pattern: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _parsed(read: Any, *paths: Path) -> Any:
    """What the library makes of the files, which it opens itself: so their kinds and sizes are checked before."""
    path = paths[0]
    for each in paths:
        open_regular(each, "tokenizer file", MAX_BYTES["tokenizer"]).close()
    try:
        return read()
    except Exception as error:  # the library raises bare Exception for every malformed file
        raise InputError(f"{path}: not a readable tokenizer file ({error})", "copy or download it again") from error
