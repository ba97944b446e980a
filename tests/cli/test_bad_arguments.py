"""Wrong settings, texts, voices, files and folders: one line that says what, where and what to do, and nothing left."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.cli_helpers import REPO, RUN, Done
from ttsctl.core.codes import codes_sha256, packet_chain_sha256

TEXTS = '{"schema_version": "1.0", "texts": [%s]}'


@pytest.mark.parametrize("command", [("synth", "hi"), ("dump-codes", "--text", "hi")])
@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("stream.packet_token=4", ["unknown key 'stream.packet_token'", "did you mean 'stream.packet_tokens'?"]),
        ("streams.packet_tokens=4", ["unknown table 'streams'", "did you mean 'stream'?"]),
        ("packet_tokens", ["expected table.key=value"]),
        ("stream.packet_tokens=four", ["stream.packet_tokens", "'four'"]),
        ("stream.packet_tokens=0", ["stream.packet_tokens", "got 0"]),
        ("decoder.mode=oneshoot", ["decoder.mode", "'oneshoot'"]),
    ],
)
def test_set(cli: Callable[..., Done], command: Any, setting: Any, says: Any) -> None:
    cli(*command, "--set", setting).refused(f"--set {setting}", *says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[stream]\npacket_tokenz = 4", "did you mean 'stream.packet_tokens'?"),
        ("[streem]\n", "did you mean 'stream'?"),
        ('[stream]\npacket_tokens = "4"', "stream.packet_tokens"),
        ("stream = 4", "'stream' is a table of keys"),
        ("[stream\n", "malformed TOML"),
        (None, "No such file"),
    ],
)
@pytest.mark.parametrize("command", [("synth", "hi", "--config"), ("regress",)])
def test_config_file_and_suite(cli: Callable[..., Done], tmp_path: Path, command: Any, content: Any, says: Any) -> None:
    path = tmp_path / "settings.toml"
    if content is not None:
        path.write_text(content)
    cli(*command, path).refused(str(path), says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("runz = 4", "did you mean 'runs'?"),
        ("[gates]\nmae_waveforms = 1", "did you mean 'mae_waveform'?"),
        ("[pins]\n'stream.packet_token' = 4", "stream.packet_token"),
        ("texts = 'nowhere.json'\nvoices = 'nowhere.json'", "nowhere.json: No such file"),
        ("runs = -1", "runs"),
    ],
)
def test_suite(cli: Callable[..., Done], tmp_path: Path, content: Any, says: Any) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(content)
    cli("regress", path).refused(says)


def test_bytes_that_are_no_text(cli: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"[stream]\n# \xff\n")
    cli("synth", "hi", "--config", path).refused(str(path), "not UTF-8")
    cli("synth", "a\udcff").refused("text: not UTF-8")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_blank_text(cli: Callable[..., Done], tmp_path: Path, text: Any) -> None:
    cli("synth", text).refused("text: expected at least one character")
    cli("dump-codes", "--text", "hi", "--text", text).refused("text: expected at least one character")
    path = tmp_path / "texts.json"
    path.write_text(TEXTS % json.dumps({"id": "empty_01", "text": text}))
    cli("dump-codes", "--texts", path).refused(str(path), "'empty_01'", "not white space")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"texts": [', "malformed JSON at line 1"),
        ("[]", "Input should be"),
        (TEXTS % '{"id": "a", "text": "x", "voice": "y"}', "texts.0.voice"),
        (TEXTS % '{"id": "a/b", "text": "x"}', "texts.0.id"),
        (TEXTS % '{"id": "a", "text": "x"}, {"id": "A", "text": "y"}', "texts.1"),
        (None, "No such file"),
    ],
)
def test_texts_file(cli: Callable[..., Done], tmp_path: Path, content: Any, says: Any) -> None:
    path = tmp_path / "texts.json"
    if content is not None:
        path.write_text(content)
    cli("dump-codes", "--texts", path).refused(str(path), says)


def test_ids_that_are_not_in_their_file(cli: Callable[..., Done]) -> None:
    texts, voices = REPO / "manifests" / "texts_base.json", REPO / "manifests" / "voices_base.json"
    cli("dump-codes", "--texts", texts, "--text-id", "long_1").refused(str(texts), "'long_1'", "did you mean 'long_01'")
    cli("synth", "hi", "--voices", voices, "--voice-id", "vivan").refused(str(voices), "did you mean 'vivian'")
    cli("dump-codes", "--text", "a", "--text-id", "long_01").refused("expected one of them, got both")
    cli("synth", "hi", "--speaker", "ryan", "--voice-id", "ryan").refused("expected one of them, got both")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--speaker", "vivien"], ["speaker 'vivien'", "did you mean 'vivian'?"]),
        (["--speaker", ""], ["--speaker: expected a name"]),
        (["--language", "klingon"], ["language 'klingon'", "known: auto", "english"]),
        (["--language", "englisch"], ["did you mean 'english'?"]),
        (["--language", " "], ["--language: expected a name"]),
    ],
)
def test_unknown_speaker_or_language(cli: Callable[..., Done], arguments: Any, says: Any) -> None:
    cli("synth", "hi", *arguments).refused(*says)
    cli("dump-codes", "--text", "hi", *arguments).refused(*says)


@pytest.mark.parametrize("mode", ["streaming", "whole"])
def test_text_over_the_limit_of_the_model(cli: Callable[..., Done], mode: Any) -> None:
    long = "hello " * 4096
    cli("synth", long, "--text-mode", mode).refused("text: ", "this model's 4096", "split the text")
    cli("synth", "hi", "--text-mode", mode, "--instruct", long).refused("4096", "shorten the instruction")


@pytest.mark.parametrize("mode", ["streaming", "whole"])
def test_the_limit_is_exact(cli: Callable[..., Done], checkpoint: Any, edit: Any, mode: Any) -> None:
    def limited(positions: Any) -> Any:
        edit(checkpoint / "config.json", lambda c: c["talker_config"].update(max_position_embeddings=positions))
        return cli("synth", "one two three", "--text-mode", mode, "--checkpoint", checkpoint, "--json")

    refused = limited(8)
    refused.refused("this model's 8")
    takes = int(refused.stderr.partition(" take ")[2].split()[0])
    # A text that is all in the prompt needs two more: one to speak from and one to end at.
    takes += 2 if mode == "whole" else 0
    limited(takes - 1).refused(f"this model's {takes - 1}")
    assert limited(takes).status == 0


@pytest.mark.parametrize("command", [("synth", "hi"), ("dump-codes", "--text", "hi"), ("regress", "suites/base.toml")])
def test_output_folder_that_cannot_be_written(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.chdir(REPO)
    in_the_way = tmp_path / "file"
    in_the_way.write_text("mine")
    for out in (in_the_way, in_the_way / "below"):
        cli(*command, "--out", out).refused(f"output folder {out}", "choose a writable folder with --out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and in_the_way.read_text() == "mine"


def test_folders_that_were_there_stay(cli: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "out" / "synth" / "20200101_000000").mkdir(parents=True)
    assert cli("synth", "hi", "--checkpoint", tmp_path / "nowhere").status == 2
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["synth", "20200101_000000"]


@pytest.mark.parametrize("lying", [True, False])
def test_dump_with_codes_out_of_range(cli: Callable[..., Done], tmp_path: Path, edit: Any, lying: Any) -> None:
    """Whether the meta owns up to it or not; with the codes there and without."""
    made = cli("dump-codes", "--text", "hi", "--set", "sampling.max_new_tokens=6", "--out", tmp_path / "dumps")
    assert made.status == 0
    folder = tmp_path / "dumps" / "dump-codes" / "latest"
    codes_file, meta_file = folder / "codes_text01_run1.npy", folder / "meta_text01_run1.json"
    codes = np.load(codes_file, allow_pickle=False)
    codes[3, 2] = 5000
    chain = packet_chain_sha256(codes, 4)
    changes = {"sha256": codes_sha256(codes), "packet_sha256": chain, "first_packet_sha256": chain[0]}
    honest = {} if lying else {"out_of_range_count": 1, "max_code": 5000}
    np.save(codes_file, codes)
    edit(meta_file, lambda meta: meta.update(**changes, **honest))
    says = ("1 codes outside of [0, ", "make the dump again")
    cli("compare-hash", codes_file, codes_file).refused(str(codes_file), "first 5000 at frame 3 codebook 2", *says)
    if not lying:
        codes_file.unlink()
        cli("compare-hash", meta_file, meta_file).refused(str(meta_file), "to 5000", *says)


@pytest.mark.parametrize("wrong", [5000, -1])
def test_codes_that_the_checkpoint_cannot_decode(cli: Callable[..., Done], tmp_path: Path, wrong: Any) -> None:
    """They have no meta that tells their codebook's size: the checkpoint does."""
    codes = np.zeros((8, 16), np.int64)
    codes[3, 2] = wrong
    np.save(tmp_path / "codes.npy", codes)
    cli("decode-ablate", tmp_path / "codes.npy").refused("codes.npy", f"id {wrong} at frame 3, codebook 2 is outside")


def test_verbose_adds_the_traceback_and_keeps_status_and_line(cli: Callable[..., Done]) -> None:
    plain = cli("synth", "hi", "--speaker", "nobody")
    for arguments in (
        ["synth", "hi", "--speaker", "nobody", "--verbose"],
        ["synth", "--verbose", "hi", "--speaker", "x"],
    ):
        shown = cli(*arguments)
        assert shown.status == plain.status == 2
        assert shown.stderr.startswith("Traceback (most recent call last)") and "InputError" in shown.stderr
    assert cli("synth", "hi", "--speaker", "nobody", "--verbose").stderr.splitlines()[-1] == plain.stderr.strip()


def test_a_defect_of_ours_is_one_line_and_status_3(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: Any) -> None:
        raise ZeroDivisionError("first line\nsecond line")

    monkeypatch.setattr("ttsctl.runs.engines.load_engine", broken)
    done = cli("synth", "hi")
    assert done.status == 3 and not done.out.exists()
    assert done.stderr == (
        "ttsctl: internal error: ZeroDivisionError: first line second line; run again with --verbose\n"
    )
    assert "Traceback" in cli("synth", "hi", "--verbose").stderr


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The whole way: the console script's function, real streams, real exit status."""
    line = [*RUN, "synth", "hi", "--set", "stream.chunk=1", "--out", str(tmp_path / "out")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ttsctl: --set stream.chunk=1: unknown key 'stream.chunk'; did you mean 'stream.chunk_ms'?\n"
    )
    assert not list(tmp_path.iterdir())
