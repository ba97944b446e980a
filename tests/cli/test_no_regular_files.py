"""A FIFO in place of any file that a user may name is refused at once; reading it would never end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.cli_helpers import BUILTIN, Done


@pytest.fixture
def fifo(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("x.toml", ("regress", "{}")),
        ("x.toml", ("sweep", "{}")),
        ("x.toml", ("synth", "hi", "--config", "{}")),
        ("x.json", ("synth", "hi", "--config", "{}")),
        ("x.toml", ("bisect", "{}", "{}", "--text", "hi")),
        ("x.json", ("dump-codes", "--texts", "{}", "--text-id", "a")),
        ("x.json", ("dump-codes", "--text", "hi", "--voices", "{}")),
        ("meta_x.json", ("compare-hash", "{}", "{}")),
        ("manifest.json", ("compare-hash", "{}", "{}")),
        ("x.npy", ("decode-ablate", "{}")),
        ("x.npz", ("decode-ablate", "{}")),
        ("x.safetensors", ("decode-ablate", "{}")),
        ("x.pt", ("decode-ablate", "{}")),
    ],
)
def test_what_commands_read(
    cli: Callable[..., Done], fifo: Callable[[str], Path], name: str, command: tuple[str, ...]
) -> None:
    path = fifo(name)
    done = cli(*(part.format(path) for part in command))
    assert done.status in (2, 3) and "internal error" not in done.stderr
    assert "got a FIFO" in done.stderr or "same file" in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "vocab.json", "merges.txt", "tokenizer_config.json"),
        *("model.safetensors", "speech_tokenizer/config.json", "speech_tokenizer/model.safetensors"),
    ],
)
def test_files_of_a_checkpoint(
    cli: Callable[..., Done], tmp_path: Path, fifo: Callable[[str], Path], name: str
) -> None:
    shutil.copytree(BUILTIN, tmp_path / "c")
    fifo(f"c/{name}")
    cli("synth", "hi", "--checkpoint", tmp_path / "c").refused(name, "expected a regular file, got a FIFO")
