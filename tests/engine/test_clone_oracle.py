"""Every reference case of a cloned voice: ids, reference codes and codes equal; the rest within tolerance."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from tests.engine_help import ORACLE, make_engine, packets_and_end
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.voice.prompt_file import read_voice, write_voice
from ttsctl.engine.voice.reference import resample_reference

CLONE = ORACLE / "base_clone"
EXPECTED: dict[str, Any] = json.loads((CLONE / "expected" / "expected.json").read_text())
CASES = [pytest.param(case, id=case["id"]) for case in EXPECTED["cases"]]
# As for the other reference cases; the x-vector's is that of the reference's own statement.
PEAK_TOLERANCE = 5e-4
MEAN_TOLERANCE = 2e-5
LOGIT_TOLERANCE = 1e-4
VECTOR_TOLERANCE = 1e-4


@cache
def _engine(policy: str, seed: int, cap: int, *sets: str) -> LocalEngine:
    settings = (
        f"sampling.policy={policy}",
        "sampling.noise=package",
        f"sampling.seed={seed}",
        f"sampling.max_new_tokens={cap}",
    )
    return make_engine("base_clone", *settings, *sets)


def _case_engine(case: dict[str, Any], *sets: str) -> LocalEngine:
    policy = "greedy" if case.get("greedy", True) else "seeded"
    return _engine(policy, case.get("seed") or 0, case["max_new_tokens"], *sets)


def _voice(case: dict[str, Any]) -> Voice:
    return Voice(
        "v",
        language=case["language"],
        ref_audio=str(CLONE / "expected" / EXPECTED["refs"][case["ref"]]["file"]),
        ref_text=case["ref_text"],
        x_vector_only=case["x_vector_only"],
    )


def _request(case: dict[str, Any]) -> Request:
    mode: TextMode = "whole" if case.get("non_streaming_mode") else "streaming"
    return Request(case["text"], _voice(case), text_mode=mode)


def _expected(name: str) -> np.ndarray:
    found: np.ndarray = np.load(CLONE / "expected" / f"{name}.npy")
    return found


def _spoken(engine: LocalEngine, request: Request) -> tuple[np.ndarray, np.ndarray]:
    packets, _ = packets_and_end(engine.stream(request))
    return np.concatenate([p.codes for p in packets]), np.concatenate([p.pcm for p in packets])


def _prompt(case: dict[str, Any]) -> VoicePrompt:
    prompt = _case_engine(case).cloned.voices.prompted(_request(case)).prompt
    assert prompt is not None
    return prompt


@pytest.mark.parametrize("case", CASES)
def test_token_ids(case: dict[str, Any]) -> None:
    generation, _ = _case_engine(case).codegen_stage.begin(_request(case))
    assert list(generation.prompt.input_ids) == case["input_ids"]
    assert (list(generation.prompt.ref_ids) or None) == case["ref_ids"]


@pytest.mark.parametrize("case", CASES)
def test_reference_codes_and_x_vector(case: dict[str, Any]) -> None:
    prompt, wanted = _prompt(case), _expected(f"{case['ref']}_xvector")
    assert np.abs(prompt.x_vector - wanted).max() <= VECTOR_TOLERANCE * np.abs(wanted).max()
    if case["x_vector_only"]:
        assert prompt.codes is None
    else:
        assert prompt.codes is not None
        assert np.array_equal(prompt.codes, _expected(f"{case['ref']}_codes"))


@pytest.mark.parametrize("case", CASES)
def test_first_logits(case: dict[str, Any]) -> None:
    wanted = _expected(f"{case['id']}_first_logits")
    found = _case_engine(case).first_logits(_request(case))[: len(wanted)]
    assert np.abs(found - wanted).max() <= LOGIT_TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_codes_and_audio(case: dict[str, Any]) -> None:
    engine, wanted = _case_engine(case), _expected(f"{case['id']}_wav")
    codes, pcm = _spoken(engine, _request(case))
    assert np.array_equal(codes, _expected(f"{case['id']}_codes"))
    offline = engine.offline(_request(case))
    for found in (pcm, offline.require_pcm()):
        difference = np.abs(found - wanted)
        assert len(found) == case["samples"]
        assert difference.max() <= PEAK_TOLERANCE * np.abs(wanted).max()
        assert difference.mean() <= MEAN_TOLERANCE


@pytest.mark.parametrize("case", [p for p in CASES if p.values[0]["id"] in ("case01", "case03")])  # type: ignore[index]
def test_one_sha256_for_every_packet_size(case: dict[str, Any]) -> None:
    hashes = set()
    for packet in (1, 2, 3, 4, 8):
        _, pcm = _spoken(_case_engine(case, f"stream.packet_tokens={packet}"), _request(case))
        hashes.add(hashlib.sha256(pcm.tobytes()).hexdigest())
    assert len(hashes) == 1


def test_a_decoder_that_is_not_primed_gives_other_audio() -> None:
    """Negative control: the reference's codes do reach the decoder."""
    case = EXPECTED["cases"][0]
    engine, prompt = _case_engine(case), _prompt(case)
    codes = _expected(f"{case['id']}_codes")
    primed, bare = engine.decode_offline(codes, prompt.codes), engine.decode_offline(codes)
    assert primed.shape == bare.shape
    assert np.abs(primed[:1920] - bare[:1920]).max() > 100 * PEAK_TOLERANCE * np.abs(primed).max()


@pytest.mark.parametrize("mode", ["oneshot", "windowed", "cached", "incremental"])
def test_a_kept_state_has_the_bits_of_a_new_one(mode: str) -> None:
    case = EXPECTED["cases"][3]
    engine, request = _case_engine(case, f"decoder.mode={mode}"), _request(EXPECTED["cases"][3])
    first, again = (_spoken(engine, request)[1] for _ in range(2))
    fresh = make_engine("base_clone", f"decoder.mode={mode}", "sampling.policy=greedy", "sampling.max_new_tokens=40")
    assert np.array_equal(first, again)
    assert np.array_equal(first, _spoken(fresh, request)[1])


def test_a_saved_voice_speaks_as_its_reference(tmp_path: Path) -> None:
    case = EXPECTED["cases"][0]
    file = tmp_path / "voice.safetensors"
    write_voice(file, _prompt(case), {"made": "here"})
    again = read_voice(file)
    assert again.hashes == _prompt(case).hashes
    voice = Voice("v", language=case["language"], voice_file=str(file))
    codes, _ = _spoken(_case_engine(case), Request(case["text"], voice))
    assert np.array_equal(codes, _expected("case00_codes"))
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(InputError, match="sha256"):
        read_voice(file)


def _wav(path: Path, pcm: np.ndarray, rate: int = 24_000) -> str:
    soundfile.write(path, pcm, rate)
    return str(path)


@pytest.mark.parametrize(
    ("voice", "says"),
    [
        (lambda _: Voice("v"), "no reference"),
        (lambda at: Voice("v", ref_audio=_wav(at, np.ones(24_000) / 3)), "no text of the reference"),
        (lambda at: Voice("v", ref_audio=_wav(at, np.zeros(24_000)), ref_text="a"), "silence"),
        (lambda at: Voice("v", ref_audio=_wav(at, np.zeros(0)), ref_text="a"), "no samples"),
        (lambda at: Voice("v", ref_audio=_wav(at, np.ones(500) / 3), ref_text="a"), "at least"),
        (lambda at: Voice("v", ref_audio=_wav(at, np.ones(400_000) / 3, 1000), ref_text="a"), "at most 120 s"),
        (lambda at: Voice("v", ref_audio=str(at), ref_text="a"), "No such file"),
        (lambda _: Voice("v", ref_audio=str(CLONE / "config.json"), ref_text="a"), "cannot read audio"),
    ],
)
def test_bad_references_are_refused(voice: Any, says: str, tmp_path: Path) -> None:
    engine = _case_engine(EXPECTED["cases"][0])
    with pytest.raises(InputError, match=says):
        list(engine.stream(Request("Hello.", voice(tmp_path / "ref.wav"))))


def test_a_checkpoint_that_clones_no_voice_refuses_a_reference() -> None:
    engine = make_engine("equal_width")
    with pytest.raises(InputError, match="clones no voice"):
        list(engine.stream(Request("Hello.", _voice(EXPECTED["cases"][0]))))


def test_resampling_has_the_length_of_the_public_package() -> None:
    """librosa 0.11 makes 8001 samples of 7350 at 22,050 Hz, the last one 0: floats do not hold 24000 / 22050."""
    pcm = np.linspace(-0.5, 0.5, 7350, dtype=np.float32)
    found = resample_reference(pcm, 22_050, 24_000)
    assert len(found) == 8001
    assert found[-1] == 0


def test_audio_beyond_all_scale_is_refused(tmp_path: Path) -> None:
    """Its spectrum overflows; the nearest code of NaN would be the same on every frame."""
    wav = tmp_path / "ref.wav"
    soundfile.write(wav, np.sin(np.arange(24_000) / 9) * 1e25, 24_000, subtype="FLOAT")
    with pytest.raises(InputError, match="NaN or infinite values"):
        list(_case_engine(EXPECTED["cases"][0]).stream(Request("Hello.", Voice("v", ref_audio=str(wav), ref_text="a"))))


def test_many_channels_are_refused_before_they_are_read(tmp_path: Path) -> None:
    wav = tmp_path / "ref.wav"
    soundfile.write(wav, np.ones((48_000, 1000), np.int16), 24_000, subtype="PCM_16")
    with pytest.raises(InputError, match="at most 46,080,000 values"):
        list(_case_engine(EXPECTED["cases"][0]).stream(Request("Hello.", Voice("v", ref_audio=str(wav), ref_text="a"))))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_a_voice_file_of_other_types_is_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    file = tmp_path / "voice.safetensors"
    save_file({"x_vector": torch.zeros(64).to(dtype)}, file, metadata={"voice": "{}"})
    with pytest.raises(InputError, match="x_vector: expected F32"):
        read_voice(file)
