"""References on the command line: each wrong one is told in one line, status 2, before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.cli_helpers import Done
from tests.clone_help import BASE, REF_EN, tone, write_reference

SPEAK = ["--ref-audio", REF_EN, "--ref-text", "Hello."]
COMMANDS: list[Sequence[object]] = [
    ("synth", "hi", "--checkpoint", BASE),
    ("dump-codes", "--text", "hi", "--checkpoint", BASE),
    ("explain", "--text", "hi", "--checkpoint", BASE),
    ("bisect", "a.toml", "b.toml", "--text", "hi", "--checkpoint", BASE),
    ("sweep", "packet_invariance", "--checkpoint", BASE),
]


@pytest.fixture(autouse=True)
def _two_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("[stream]\npacket_tokens = 4\n")
    (tmp_path / "b.toml").write_text("[stream]\npacket_tokens = 8\n")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--ref-audio", REF_EN, "--voice", "v.safetensors"],
            "--ref-audio and --voice: expected one of them",
        ),
        (["--ref-text", "Hello."], "--ref-text: what a reference says, but there is no --ref-audio"),
        (["--voice", "v.safetensors", "--ref-text", "Hello."], "the saved voice has its text"),
        (["--x-vector-only"], "--x-vector-only: expected a reference, got none"),
        (["--ref-audio", REF_EN], "no text of the reference"),
        (["--ref-audio", REF_EN, "--ref-text", " "], "no text of the reference"),
        (["--ref-audio", "nowhere.wav", "--x-vector-only"], "nowhere.wav: No such file"),
        (["--voice", "nowhere.safetensors"], "nowhere.safetensors: No such file"),
        ([*SPEAK, "--voice-id", "ryan"], "--voice-id"),
    ],
)
def test_options_that_do_not_go_together(cli: Callable[..., Done], command: Any, arguments: Any, says: Any) -> None:
    cli(*command, *arguments).refused(says)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda at: write_reference(at, np.zeros(0)), "no samples"),
        (lambda at: write_reference(at, np.zeros(24_000)), "silence"),
        (lambda at: write_reference(at, tone(400_000), 1000), "at most 120 s, got 400.0 s"),
        (lambda at: write_reference(at, tone(240)), "at least"),
        (lambda at: at.write_bytes(b"RIFF of nothing"), "cannot read audio"),
        (lambda at: at.mkdir(), "expected a regular file, got a folder"),
        (os.mkfifo, "expected a regular file, got a FIFO"),
    ],
    ids=["empty", "silent", "long", "short", "no audio", "folder", "fifo"],
)
def test_a_reference_that_is_no_speech(cli: Callable[..., Done], tmp_path: Path, make: Any, says: Any) -> None:
    path = tmp_path / "ref.wav"
    make(path)
    given = ("--ref-audio", path, "--ref-text", "Hello.")
    cli("synth", "hi", "--checkpoint", BASE, *given).refused("ref", says)


def test_a_base_checkpoint_without_a_reference_and_another_with_one(cli: Callable[..., Done]) -> None:
    cli("synth", "hi", "--checkpoint", BASE).refused("no reference", "--ref-audio FILE with --ref-text")
    cli("synth", "hi", *SPEAK).refused("clones no voice", "use a Base checkpoint")
    cli("dump-codes", "--text", "hi", "--voice-id", "ryan", "--checkpoint", BASE).refused("no reference")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ref_audio": "ref.wav", "ref_text": "a", "voice_file": "v.safetensors"}, "got both"),
        ({"ref_audio": "ref.wav"}, "no text of the reference"),
        ({"ref_text": "a"}, "there is no reference"),
        ({"x_vector_only": True}, "x_vector_only, but no reference"),
        ({"ref_audio": "nowhere.wav", "x_vector_only": True}, "nowhere.wav: No such file"),
        ({"ref_audo": "ref.wav"}, "voices.0.ref_audo"),
        ({"ref_audio": 3}, "voices.0.ref_audio"),
    ],
)
def test_an_entry_of_a_file_of_voices(cli: Callable[..., Done], tmp_path: Path, fields: Any, says: Any) -> None:
    file = tmp_path / "voices.json"
    file.write_text(json.dumps({"schema_version": "1.0", "voices": [{"id": "v", **fields}]}))
    cli("synth", "hi", "--checkpoint", BASE, "--voices", file).refused(says)


def test_a_voice_of_a_file_is_relative_to_it_and_in_the_summary(cli: Callable[..., Done], tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "ref.wav").write_bytes(REF_EN.read_bytes())
    entry = {"id": "v", "ref_audio": "ref.wav", "ref_text": "Hello.", "language": "English"}
    (folder / "voices.json").write_text(json.dumps({"schema_version": "1.0", "voices": [entry]}))
    cap = ("--set", "sampling.max_new_tokens=4")
    done = cli("synth", "hi", "--checkpoint", BASE, "--voices", folder / "voices.json", *cap, "--json")
    assert done.status == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["voice"]["ref_sha256"] == summary["prompt"]["hashes"]["reference"]
    assert summary["prompt"]["frames"] > 0 and not summary["prompt"]["prompt_kept"]
    assert summary["timings"]["ttfa_ms"] >= summary["prompt"]["prompt_ms"] + summary["prompt"]["prime_ms"]
