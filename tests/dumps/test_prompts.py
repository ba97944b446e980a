"""Dumps of cloned voices: matched whatever their files are called; other prompts are said first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import PROVENANCE, info_of, run_of
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.core.voice_prompt import PromptUse, VoicePrompt
from ttsctl.dumps.compare import compare_dumps, judge_comparison
from ttsctl.dumps.manifest import write_manifest
from ttsctl.dumps.meta import build_meta, read_meta
from ttsctl.dumps.write import write_dump

CODES = np.arange(160).reshape(10, 16)
PROMPT = VoicePrompt(CODES[:3], np.arange(4, dtype=np.float32), "Hello.", "a" * 64)
FROM_REFERENCE = Voice("cloned", ref_audio="here/ref.wav", ref_text="Hello.", ref_sha256="a" * 64)
SAVED = Voice("cloned", voice_file="there/voice.safetensors", ref_sha256="b" * 64)

Dumped = Callable[..., Path]


@pytest.fixture
def dumped(tmp_path: Path) -> Dumped:
    """``dumped(name, voice, prompt, codes)`` -> a folder with one dump and its manifest."""

    def write(name: str, voice: Voice, prompt: VoicePrompt | None, codes: np.ndarray = CODES) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        use = None if prompt is None else PromptUse(prompt.hashes, prompt.frames, 12.0, 3.0, False, False)
        run = dataclasses.replace(run_of(codes), prompt=use)
        write_dump(folder, build_meta(run, Request("hi", voice, "t"), Config(), info_of(PROVENANCE), "a"), codes)
        write_manifest(folder)
        return folder

    return write


def headline(*folders: Path) -> str:
    return judge_comparison(compare_dumps(folders)).headline


def test_a_saved_voice_and_its_reference_are_one_request_without_any_difference(dumped: Dumped) -> None:
    folders = dumped("one", FROM_REFERENCE, PROMPT), dumped("two", SAVED, PROMPT)
    (pair,) = compare_dumps(folders).pairs
    assert (pair.equal, pair.prompt_differences, pair.request_differences) == (True, [], [])
    assert headline(*folders).startswith("EQUAL")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (dataclasses.replace(PROMPT, codes=CODES[1:4]), ["prompt codes sha256", "the same reference: the encoders"]),
        (dataclasses.replace(PROMPT, x_vector=np.ones(4, np.float32)), ["prompt x-vector sha256", "the encoders gave"]),
        (
            dataclasses.replace(PROMPT, reference_sha256="c" * 64),
            ["reference sha256: aaaaaaaaaaaa against cccc"],
        ),
        (dataclasses.replace(PROMPT, ref_text="Ho."), ["prompt text sha256"]),
        (dataclasses.replace(PROMPT, codes=None, ref_text=None), ["prompt codes sha256", "against none"]),
        (None, ["prompt: reference aaaaaaaaaaaa against none"]),
    ],
)
def test_other_prompts_are_said_first(dumped: Dumped, other: VoicePrompt | None, says: list[str]) -> None:
    folders = dumped("one", FROM_REFERENCE, PROMPT), dumped("two", SAVED, other, CODES + 1)
    (pair,) = compare_dumps(folders).pairs
    told = "; ".join(pair.prompt_differences or ())
    for part in says:
        assert part in told
    assert headline(*folders).startswith("PROMPTS DIFFER in 1 of 1 pair; DIFFER")
    assert "need not be drift" in headline(*folders)


def test_codes_that_differ_after_one_prompt_are_drift(dumped: Dumped) -> None:
    """Negative control."""
    folders = dumped("one", FROM_REFERENCE, PROMPT), dumped("two", SAVED, PROMPT, CODES + 1)
    assert headline(*folders).startswith("DIFFER") and "need not be drift" not in headline(*folders)


def test_two_cloned_voices_with_ids_of_their_own_are_two_requests(dumped: Dumped) -> None:
    other = dataclasses.replace(FROM_REFERENCE, id="other")
    comparison = compare_dumps([dumped("one", FROM_REFERENCE, PROMPT), dumped("two", FROM_REFERENCE, PROMPT)])
    assert len(comparison.requests) == 1
    with pytest.raises(Exception, match="no two dumps answer the same request"):
        compare_dumps([dumped("three", FROM_REFERENCE, PROMPT), dumped("four", other, PROMPT)])


def test_a_meta_whose_prompt_has_no_hashes_is_refused(dumped: Dumped) -> None:
    meta = dumped("one", FROM_REFERENCE, PROMPT) / "meta_a.json"
    meta.write_text(meta.read_text().replace("a" * 64, "no hash"))
    with pytest.raises(InputError, match="prompt"):
        read_meta(meta)
