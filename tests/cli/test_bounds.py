"""Numbers far out of range are one line and status 2, before memory is taken for them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_helpers import BUILTIN, Done
from ttsctl.core.errors import InputError
from ttsctl.runs.resolve_config import resolve_config

HUGE = ("1000000000", "1" + "0" * 400, "1e308", "1e400", "-1", "nan", "inf", "1" * 6000)
NUMBERS = [
    *(f"sampling.{own}{key}" for own in ("", "predictor_") for key in ("temperature", "top_k", "top_p")),
    "sampling.repetition_penalty",
    "sampling.predictor_repetition_penalty",
    "sampling.max_new_tokens",
    *(f"stream.{key}" for key in ("packet_tokens", "left_context", "chunk_ms", "prefill_packets", "decode_every")),
    "backend.threads",
]


@pytest.mark.parametrize("key", NUMBERS)
def test_settings_have_bounds(key: str) -> None:
    for value in HUGE:
        with pytest.raises(InputError) as found:
            resolve_config(None, None, [f"{key}={value}"])
        assert "internal" not in str(found.value)
    resolve_config(None, None, [f"{key}=1"])  # the control


@pytest.mark.parametrize("threads", [257, 1000, 100_000, 1_000_000_000])
def test_more_threads_than_the_machine_starts(
    cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """libgomp ended the process with status 1, or with a fault."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    cli("synth", "hi", "--set", f"backend.threads={threads}").refused("threads")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BUILTIN, tmp_path / "checkpoint"))


def changed(path: Path, key: str, value: Any) -> None:
    """The value of the dotted key in a JSON file."""
    table = whole = json.loads(path.read_text(encoding="utf-8"))
    *tables, last = key.split(".")
    for name in tables:
        table = table[name]
    assert last in table
    table[last] = value
    path.write_text(json.dumps(whole), encoding="utf-8")


SIZES = [
    *(f"talker_config.{k}" for k in ("num_hidden_layers", "hidden_size", "head_dim", "vocab_size", "num_code_groups")),
    *(f"talker_config.code_predictor_config.{k}" for k in ("num_hidden_layers", "num_attention_heads", "vocab_size")),
    "talker_config.rope_theta",
    "talker_config.max_position_embeddings",
]
CODEC_SIZES = ["num_hidden_layers", "sliding_window", "codebook_size", "decoder_dim", "num_key_value_heads"]


@pytest.mark.parametrize(
    ("file", "key"),
    [("config.json", key) for key in SIZES]
    + [("speech_tokenizer/config.json", f"decoder_config.{key}") for key in CODEC_SIZES],
)
def test_sizes_of_a_checkpoint_have_bounds(cli: Callable[..., Done], checkpoint: Path, file: str, key: str) -> None:
    for value in (10**15, -1, 0, float("inf"), float("nan"), 10**400):
        changed(checkpoint / file, key, value)
        cli("synth", "hi", "--checkpoint", checkpoint).refused(file)


@pytest.mark.parametrize("rates", [[10**9, "aaaa"], [10**4000] * 1000, [2] * 100_000, [0], [-2], "rates", [[2]]])
def test_rates_are_checked_before_they_are_multiplied(cli: Callable[..., Done], checkpoint: Path, rates: Any) -> None:
    changed(checkpoint / "speech_tokenizer" / "config.json", "decoder_config.upsample_rates", rates)
    cli("synth", "hi", "--checkpoint", checkpoint).refused("upsample_rates")


SUITE = "texts = 't.json'\nvoices = 'v.json'\n"
EXPERIMENT = "question = 'q'\n" + SUITE


@pytest.mark.parametrize(
    ("command", "text", "says"),
    [
        ("regress", SUITE + "runs = 1000000000", "runs"),
        ("regress", SUITE + "warmup = 1000000000", "warmup"),
        ("regress", SUITE + "timeout_s = 1e308", "timeout_s"),
        ("regress", SUITE + "[gates]\nttfa_p95 = 1" + "0" * 400, "ttfa_p95"),
        ("sweep", EXPERIMENT + "repeats = 1000000000", "repeats"),
        ("sweep", EXPERIMENT + "repeats = 100000\n[matrix]\n'stream.packet_tokens' = [1, 2]", "at most 100,000 runs"),
        (
            "sweep",
            EXPERIMENT + f"[matrix]\n'stream.packet_tokens' = {list(range(1, 999))}\n"
            f"'stream.left_context' = {list(range(999))}",
            "at most 1,000 conditions, got 997,002",
        ),
        ("sweep", EXPERIMENT + "[[conclusion]]\nquestion = 'q'\nexpect = 'errors == 1e999'", "cannot read"),
        ("sweep", EXPERIMENT + "[[conclusion]]\nquestion = 'q'\nexpect = '" + "-" * 9999 + "1 == errors'", "expect"),
        ("regress", "texts = '" + "t" * 5000 + "'\nvoices = 'v.json'", "File name too long"),
        ("regress", 'texts = "a\\u0000b"\nvoices = "v.json"', "no file can have this name"),
        ("regress", SUITE + "baseline = '" + "b" * 5000 + "'", "File name too long"),
    ],
)
def test_counts_of_suites_and_experiments(
    cli: Callable[..., Done], tmp_path: Path, command: str, text: str, says: str
) -> None:
    texts = [{"id": "a", "text": "hi"}]
    (tmp_path / "t.json").write_text(json.dumps({"schema_version": "1.0", "texts": texts}))
    (tmp_path / "v.json").write_text(json.dumps({"schema_version": "1.0", "voices": [{"id": "v"}]}))
    (tmp_path / "x.toml").write_text(text)
    cli(command, tmp_path / "x.toml").refused(says)


def test_texts_times_voices(cli: Callable[..., Done], tmp_path: Path) -> None:
    texts = [{"id": f"t{n}", "text": "hi"} for n in range(2000)]
    (tmp_path / "t.json").write_text(json.dumps({"schema_version": "1.0", "texts": texts}))
    voices = [{"id": f"v{n}"} for n in range(2000)]
    (tmp_path / "v.json").write_text(json.dumps({"schema_version": "1.0", "voices": voices}))
    (tmp_path / "x.toml").write_text(SUITE)
    cli("regress", tmp_path / "x.toml").refused("at most 10,000 cases, got 2,000 texts by 2,000 voices")
