"""What ``builtin-base`` and the references to clone promise: the same bytes, codes that vary, voices that differ."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.build_builtin import build_base
from ttsctl.engine.model.checkpoint import BUILTINS
from ttsctl.engine.model.random_references import SPEAKERS, write_references
from ttsctl.engine.voice.reference import read_reference
from ttsctl.regress.baseline import read_baseline
from ttsctl.runs.run_stream import run_stream
from ttsctl.runs.texts import load_cases, load_voices

MANIFESTS = Path(__file__).parents[2] / "manifests"
REFERENCES = MANIFESTS / "references"
VOICES = {voice.id: voice for voice in load_voices(MANIFESTS / "voices_clone.json")}
CASES = load_cases(
    MANIFESTS / "texts_base.json",
    MANIFESTS / "voices_clone.json",
    ["long_01", "medium_01", "medium_02", "short_01"],
    ["low", "low_x_vector"],
    "streaming",
)
LARGEST_BYTES = 3_000_000
GROUP0_GAP = 1e-3
# As for the built-in: float64 moves this network's logits by about 1e-5.
OTHER_GAP = 5e-4
# Of the nearest vector's distance; float32 makes differences of about 1e-6.
NEAREST_GAP = 4e-5
# Frames of a random voice whose text has run out; "Good morning." is shorter than its reference.
LEAST_FRAMES = 4


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_anyone_rebuilds_the_same_bytes(tmp_path: Path) -> None:
    build_base(tmp_path / "base")
    write_references(tmp_path / "references")
    assert _digests(tmp_path / "base") == _digests(BUILTINS["builtin-base"])
    assert _digests(tmp_path / "references") == _digests(REFERENCES)


def test_it_is_small() -> None:
    folders = (BUILTINS["builtin-base"], REFERENCES)
    assert sum(p.stat().st_size for folder in folders for p in folder.rglob("*") if p.is_file()) <= LARGEST_BYTES


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return make_engine("builtin-base", "record.trace=codes")


@pytest.fixture(scope="module")
def prompts(engine: LocalEngine) -> dict[str, VoicePrompt]:
    """The prompts of all shipped voices."""
    found = {}
    for name, voice in VOICES.items():
        prompt = engine.cloned.voices.prompted(Request("a", voice)).prompt
        assert prompt is not None
        found[name] = prompt
    return found


def test_every_voice_has_its_prompt(prompts: dict[str, VoicePrompt]) -> None:
    assert sorted(prompts) == sorted([*SPEAKERS, *(f"{name}_x_vector" for name in SPEAKERS)])
    for name, speaker in SPEAKERS.items():
        codes = prompts[name].codes
        assert codes is not None and codes.shape == (int(np.ceil(speaker.seconds * 12.5)), 16)
        assert prompts[f"{name}_x_vector"].codes is None
        assert prompts[name].hashes.x_vector == prompts[f"{name}_x_vector"].hashes.x_vector


def test_the_codes_of_a_reference_vary(prompts: dict[str, VoicePrompt]) -> None:
    """No codebook gives one id on every frame, or a few ids on most."""
    for name in SPEAKERS:
        codes = prompts[name].codes
        assert codes is not None
        for codebook in codes.T:
            counts = np.unique(codebook, return_counts=True)[1]
            assert len(counts) >= min(16, len(codes) // 2) and counts.max() <= len(codes) / 4


@torch.inference_mode()
def test_the_codes_of_silence_do_not_vary(engine: LocalEngine) -> None:
    """Negative control: codes vary with the sound."""
    codes = engine.cloned.voices.encoder.codec(torch.zeros(48_000))
    assert len(codes) == 25 and bool((codes == codes[0]).all())


def test_x_vectors_tell_voices_apart_and_not_lengths(prompts: dict[str, VoicePrompt]) -> None:
    low, long, high = (prompts[name].x_vector for name in ("low", "low_long", "high"))
    size = float(np.linalg.norm(low))
    assert np.linalg.norm(low - long) < 0.15 * size
    assert np.linalg.norm(low - high) > 0.5 * size


@torch.inference_mode()
def test_every_reference_code_is_clearly_the_nearest(engine: LocalEngine) -> None:
    encoder = engine.cloned.voices.encoder.codec
    for name in SPEAKERS:
        latents = encoder.latents(torch.from_numpy(read_reference(REFERENCES / f"{name}.wav").pcm))
        for part in (
            encoder.quantizer.semantic_residual_vector_quantizer,
            encoder.quantizer.acoustic_residual_vector_quantizer,
        ):
            rest: Any = part.input_proj(latents)
            layer: Any
            for layer in list(part.layers)[:15]:
                vectors = layer.codebook.vectors
                far = "donot_use_mm_for_euclid_dist"
                best = torch.cdist(rest[None], vectors[None], compute_mode=far)[0].topk(2, largest=False).values
                assert float((best[:, 1] / best[:, 0] - 1).min()) >= NEAREST_GAP
                rest = rest - vectors[layer.codebook.nearest(rest, vectors)]


@pytest.mark.slow
def test_it_speaks_and_ends_with_clear_winners_and_healthy_audio(engine: LocalEngine) -> None:
    baseline = read_baseline(MANIFESTS / "base_clone_golden")
    for case in CASES:
        golden = baseline.case(case.id)
        run = run_stream(engine, case.request, threading.Event())
        assert run.trace is not None and run.truncated is False
        draws = run.trace.draws
        assert float(draws.gap[draws.codebook == 0].min()) >= GROUP0_GAP, case.id
        assert float(draws.gap[draws.codebook > 0].min()) >= OTHER_GAP, case.id
        assert golden is not None and codes_sha256(run.require_codes()) == golden.codes_sha256, case.id
        pcm = run.require_pcm()
        level = 20 * np.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))
        assert len(run.require_codes()) >= LEAST_FRAMES and -30 <= level <= -12
        assert np.abs(pcm).max() < 0.99 and abs(pcm.mean()) < 1e-3


def test_one_stream_for_every_packet_size() -> None:
    request = next(case.request for case in CASES if case.id == "short_01__low")
    sums = set()
    for packet in (1, 2, 3, 4, 8):
        run = run_stream(make_engine("builtin-base", f"stream.packet_tokens={packet}"), request, threading.Event())
        sums.add(run.require_pcm().tobytes())
    assert len(sums) == 1


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["engine.codegen_dtype=float64", "determinism.level=strict"])
def test_codes_hold_in_other_arithmetic(setting: str, engine: LocalEngine) -> None:
    request = Request("Good morning.", VOICES["low"])
    other = make_engine("builtin-base", setting).offline(request).require_codes()
    torch.use_deterministic_algorithms(False)
    assert np.array_equal(other, engine.offline(request).require_codes())


def test_the_voice_reaches_the_codes(engine: LocalEngine) -> None:
    """Each reference, and each way to use it, says the same text in codes of its own, and ends.

    Only the x-vector of one voice at two lengths is nearly the same.
    """
    said = set()
    for name in ("low", "low_x_vector", "low_long", "high", "high_x_vector"):
        run = engine.offline(Request("Good morning.", VOICES[name]))
        assert run.truncated is False
        said.add(run.require_codes().tobytes())
    assert len(said) == 5


def test_a_voice_needs_its_reference(engine: LocalEngine) -> None:
    with pytest.raises(InputError, match="no reference"):
        list(engine.stream(Request("Good morning.", Voice("vivian", "vivian"))))
