"""``ttsctl explain`` over dumps of cloned voices, as a user runs it: a damaged voice file is named and proven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.engine_help import ORACLE
from tests.explain.test_explain_cli import Done, cli  # noqa: F401  a fixture
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.voice.prompt_file import write_voice

CHECKPOINT = ORACLE / "base_clone"
EXPECTED = CHECKPOINT / "expected"
TEXT = "Good morning."
SETTINGS = ("--checkpoint", CHECKPOINT, "--set", "sampling.max_new_tokens=3", "--set", "determinism.single_thread=true")
Call = Callable[..., Done]


def voice_files(folder: Path) -> dict[str, Path]:
    """A voice's file, and two that were damaged and written again with the hashes of what they hold."""
    codes = np.load(EXPECTED / "ref_en_codes.npy")
    vector = np.load(EXPECTED / "ref_en_xvector.npy").astype(np.float32)
    other_codes, other_vector = codes.copy(), vector.copy()
    other_codes[2, 5] ^= 1
    other_vector[7] *= -1
    prompts = {
        "sound": VoicePrompt(codes, vector, "It is a quiet morning.", "0" * 64),
        "codes": VoicePrompt(other_codes, vector, "It is a quiet morning.", "0" * 64),
        "vector": VoicePrompt(codes, other_vector, "It is a quiet morning.", "0" * 64),
    }
    for name, prompt in prompts.items():
        write_voice(folder / f"{name}.safetensors", prompt, {})
    return {name: folder / f"{name}.safetensors" for name in prompts}


def dump(call: Call, tag: str, *voice: object) -> Path:
    done = call("dump-codes", "--text", TEXT, *voice, "--trace", "modules", *SETTINGS)
    assert done.status == 0, done.stderr
    (found,) = (done.out / "dump-codes" / "latest").resolve().glob("codes_*.npy")
    return found


@pytest.mark.parametrize(
    ("damaged", "point"),
    [pytest.param("codes", "prompt.ref_codes", marks=pytest.mark.slow), ("vector", "prompt.x_vector")],
)
def test_a_damaged_voice_file_is_named_and_proven(cli: Call, tmp_path: Path, damaged: str, point: str) -> None:  # noqa: F811
    files = voice_files(tmp_path)
    a, b = (dump(cli, name, "--voice", files[name]) for name in ("sound", damaged))
    done = cli("explain", a, b, "--text", TEXT, "--checkpoint", CHECKPOINT, "--jitters", "1")
    assert done.status == 1, done.stderr
    summary = done.summary
    assert summary.first is not None
    assert (summary.first.stage, summary.first.point, summary.first.inputs_equal) == ("prompt", point, True)
    assert summary.proven, summary.proof_reason
    assert any(line.startswith("prompt ") for line in summary.condition_differences or [])


def test_the_same_voice_is_equal(cli: Call, tmp_path: Path) -> None:  # noqa: F811
    """Control: two files of one prompt."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    a, b = (dump(cli, f.name, "--voice", voice_files(f)["sound"]) for f in (first, second))
    done = cli("explain", a, b)
    assert done.status == 0 and done.summary.first is None


@pytest.mark.slow
def test_another_reference_is_named_as_such(cli: Call, tmp_path: Path) -> None:  # noqa: F811
    """The same recording, a little louder: the reference audio differs first, and grafting it cures all."""
    pcm, rate = soundfile.read(EXPECTED / "ref_zh.wav", dtype="float32")
    soundfile.write(tmp_path / "louder.wav", pcm * 1.1, rate, subtype="FLOAT")
    say = ("--ref-text", "Good evening.")
    a = dump(cli, "a", "--ref-audio", EXPECTED / "ref_zh.wav", *say)
    b = dump(cli, "b", "--ref-audio", tmp_path / "louder.wav", *say)
    done = cli("explain", a, b, "--text", TEXT, "--checkpoint", CHECKPOINT, "--jitters", "1")
    summary = done.summary
    assert done.status == 1 and summary.first is not None and summary.first.label == "reference audio"
    assert summary.proven, summary.proof_reason
