"""The text tokenizer of checkpoints with random weights: byte-level BPE, trained on builtin/corpus.txt."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from ttsctl.core.files import write_json, write_text
from ttsctl.engine.model.text import QWEN2_SPLIT

TEXT_MERGES = 1100
# Each of these words must be a single id, as in the released vocabulary: the prompt finds the text by counting ids.
ROLE_WORDS = ["assistant", "user"]
ROLE_REPEATS = 200
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>")


def write_tokenizer(folder: Path) -> int:
    """Train the byte-level BPE on corpus.txt and write it as vocab.json and merges.txt -> vocabulary size."""
    corpus = (Path(__file__).parent / "builtin" / "corpus.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated", invert=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + TEXT_MERGES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*corpus, *ROLE_WORDS * ROLE_REPEATS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    write_text(folder / "vocab.json", json.dumps(model["vocab"], ensure_ascii=False))
    write_text(folder / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    first = len(model["vocab"])
    added = {
        str(first + i): {
            "content": name,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for i, name in enumerate(SPECIALS)
    }
    settings = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": added, "errors": "replace"}
    write_json(folder / "tokenizer_config.json", settings)
    return first + len(SPECIALS)
