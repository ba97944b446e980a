"""Encoders whose tensors are missing, misshapen or were never trained are refused, and load only with a reference."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from tests.engine_help import ORACLE, make_engine
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.engine.local import load_engine
from ttsctl.runs.resolve_config import resolve_config

BASE = ORACLE / "base_clone"
Tensors = dict[str, torch.Tensor]
CODEBOOK = "encoder.quantizer.acoustic_residual_vector_quantizer.layers.3.codebook."


def _voice() -> Voice:
    return Voice(
        "v", ref_audio=str(BASE / "expected" / "ref_en.wav"), ref_text="This is the voice that should be kept."
    )


def _speak(folder: Path) -> None:
    config = resolve_config(
        {"engine": {"checkpoint": str(folder), "device": "cpu"}}, None, ["sampling.max_new_tokens=3"]
    )
    list(load_engine(config).stream(Request("Hello.", _voice())))


def _changed(tmp_path: Path, file: str, change: Callable[[Tensors], object]) -> Path:
    folder = tmp_path / "checkpoint"
    shutil.copytree(BASE, folder, ignore=shutil.ignore_patterns("expected"))
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file)
    return folder


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("encoder.downsample.conv.weight"), "missing encoder.downsample.conv.weight"),
        (lambda t: t.update({"encoder.more": torch.ones(1)}), "unknown encoder.more"),
        (lambda t: t.update({"encoder.downsample.conv.weight": torch.ones(32, 32, 3)}), "misshapen encoder.downsample"),
        (lambda t: t[f"{CODEBOOK}initialized"].zero_(), "says that the codebook was never trained"),
        (lambda t: t[f"{CODEBOOK}cluster_usage"].zero_(), "says that the codebook was never trained"),
        (lambda t: t[f"{CODEBOOK}embed_sum"].zero_(), "embed_sum is 0 everywhere: not initialised"),
        (lambda t: t["encoder.encoder.layers.3.conv.weight"].fill_(torch.nan), "NaN or infinite values: not init"),
    ],
)
def test_a_damaged_codec_encoder(tmp_path: Path, change: Callable[[Tensors], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        _speak(_changed(tmp_path, "speech_tokenizer/model.safetensors", change))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("speaker_encoder.fc.bias"), "missing speaker_encoder.fc.bias"),
        (lambda t: t["speaker_encoder.mfa.conv.weight"].zero_(), "is 0 everywhere: not initialised"),
    ],
)
def test_a_damaged_speaker_encoder(tmp_path: Path, change: Callable[[Tensors], object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        _speak(_changed(tmp_path, "model.safetensors", change))


def test_the_whole_checkpoint_speaks(tmp_path: Path) -> None:
    """The control of the above."""
    _speak(_changed(tmp_path, "model.safetensors", lambda t: None))


def test_encoders_load_with_the_first_reference() -> None:
    engine = make_engine("base_clone", "sampling.max_new_tokens=3")
    assert engine.cloned.voices._encoder is None
    list(engine.stream(Request("Hello.", _voice())))
    assert engine.cloned.voices._encoder is not None


def test_a_reference_that_changed_since_it_was_chosen(tmp_path: Path) -> None:
    wav = tmp_path / "ref.wav"
    soundfile.write(wav, np.sin(np.arange(24_000) / 9) / 3, 24_000)
    voice = Voice("v", ref_audio=str(wav), ref_text="A tone.", ref_sha256="0" * 64)
    with pytest.raises(InputError, match="it has changed since"):
        list(make_engine("base_clone").stream(Request("Hello.", voice)))
