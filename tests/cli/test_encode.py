"""``encode``: the package's codes, a voice that speaks as its reference, and warnings of broken encoders alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.cli.cli_helpers import Done
from tests.clone_help import BASE, EXPECTED, REF_EN, tone, write_reference
from ttsctl.engine.model.codec_encoder import CodecEncoder

ON = ("--checkpoint", BASE)
CAP = ("--set", "sampling.max_new_tokens=4")


def summary_of(done: Done) -> dict[str, Any]:
    assert done.status == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_codes_are_the_packages_and_compare_as_dumps(cli: Callable[..., Done]) -> None:
    refs = [EXPECTED / f"{name}.wav" for name in ("ref_en", "ref_zh")]
    done = cli("encode", *refs, *ON, "--roundtrip", "--json")
    summary = summary_of(done)
    folder = done.out / "encode" / "latest"
    for one, name in zip(summary["encoded"], ("ref_en", "ref_zh"), strict=True):
        assert np.array_equal(np.load(folder / f"codes_{name}.npy"), np.load(EXPECTED / f"{name}_codes.npy"))
        assert one["warnings"] == [] and one["not_judged"] is None
        assert (one["audio"], one["tag"]) == (str(EXPECTED / f"{name}.wav"), name)
        assert np.isfinite([one["roundtrip"]["roundtrip_snr_db"], one["roundtrip"]["spectral_distance_db"]]).all()
    assert set(summary["files"]) == {path.name for path in folder.iterdir()} - {"summary.json"}
    same = cli("compare-hash", folder / "codes_ref_en.npy", EXPECTED / "ref_en_codes.npy", "--json")
    assert summary_of(same)["equal"]


def test_a_saved_voice_speaks_as_its_reference(
    cli: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("encode", REF_EN, "--ref-text", "Hello.", *ON, "--out", "v.safetensors", "--json")
    assert summary_of(made)["voice"] == "v.safetensors" and (tmp_path / "output" / "encode" / "latest").is_dir()
    from_file = summary_of(cli("synth", "hi", *ON, "--voice", "v.safetensors", *CAP, "--json"))
    reference = ("--ref-audio", REF_EN, "--ref-text", "Hello.")
    from_reference = summary_of(cli("synth", "hi", *ON, *reference, *CAP, "--json"))
    assert from_file["prompt"]["hashes"] == from_reference["prompt"]["hashes"] == made_hashes(made)
    assert from_file["pcm_sha256"] == from_reference["pcm_sha256"]
    again = cli("encode", REF_EN, "--x-vector-only", *ON, "--save-voice", "v.safetensors")
    assert again.status == 0, "a voice may be made anew"
    shutil.rmtree(again.out)
    for command in (("synth", "hi"), ("sweep", "packet_invariance")):
        cli(*command, *ON, "--voice", "v.safetensors").refused("an x-vector alone")


def made_hashes(made: Done) -> Any:
    return summary_of(made)["encoded"][0]["hashes"]


def planted(monkeypatch: pytest.MonkeyPatch, fault: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """An encoder whose latents are spoilt by ``fault``."""
    whole = CodecEncoder.latents
    monkeypatch.setattr(CodecEncoder, "latents", lambda self, pcm: fault(whole(self, pcm)))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (torch.zeros_like, "one id on every frame"),
        (lambda x: x[:1].expand_as(x), "one id on every frame"),
        (lambda x: torch.cat([x[:1].expand(len(x) - 2, -1), x[-2:]]), "16 of 16 codebooks are dead"),
        (lambda x: x[torch.arange(len(x)) % 2], "far less entropy than in training"),
    ],
    ids=["zero", "constant", "nearly constant", "two frames"],
)
def test_a_broken_encoder_is_warned_of(
    cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, fault: Any, says: str
) -> None:
    planted(monkeypatch, fault)
    summary = summary_of(cli("encode", REF_EN, *ON, "--json"))
    assert any(says in line for line in summary["encoded"][0]["warnings"]), summary["encoded"][0]["warnings"]
    assert summary["headline"].startswith("WARNING: 1 of 1 file look") and summary["notes"]


def test_a_checkpoint_without_a_speaker_encoder_gives_codes_alone(
    cli: Callable[..., Done], tmp_path: Path, edit: Any
) -> None:
    folder = Path(shutil.copytree(BASE, tmp_path / "codec", ignore=shutil.ignore_patterns("expected")))
    edit(folder / "config.json", lambda config: config.pop("speaker_encoder_config"))
    done = cli("encode", REF_EN, "--checkpoint", folder, "--json")
    (one,) = summary_of(done)["encoded"]
    assert one["hashes"] is None and one["x_vector_reason"] == "the checkpoint has no speaker encoder"
    codes = np.load(done.out / "encode" / "latest" / "codes_ref_en.npy")
    assert np.array_equal(codes, np.load(EXPECTED / "ref_en_codes.npy"))
    shutil.rmtree(done.out)
    voice = tmp_path / "v.safetensors"
    cli("encode", REF_EN, "--ref-text", "a", "--checkpoint", folder, "--save-voice", voice).refused("needs an x-vector")
    assert not voice.exists()


def test_files_of_one_name_have_tags_of_their_own(cli: Callable[..., Done], tmp_path: Path) -> None:
    first, second = (tmp_path / name / "a b.wav" for name in ("x", "y"))
    for path in (first, second):
        path.parent.mkdir()
        write_reference(path, tone(4000))
    summary = summary_of(cli("encode", first, second, *ON, "--json"))
    assert [one["tag"] for one in summary["encoded"]] == ["a_b", "a_b_again1"]
    assert all("frames say too little" in one["not_judged"] for one in summary["encoded"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.wav"], "nowhere.wav: No such file"),
        ([REF_EN, "--save-voice", "v.wav"], "expected a name ending in .safetensors"),
        ([REF_EN, "--save-voice", "v.safetensors"], "no text of the reference"),
        ([REF_EN, REF_EN, "--ref-text", "a", "--save-voice", "v.safetensors"], "expected one file of audio, got 2"),
        ([REF_EN, REF_EN, "--ref-text", "a"], "expected one file, got 2"),
        ([REF_EN, "--x-vector-only"], "expected a voice to save, got none"),
        ([REF_EN, "--ref-text", "a", "--save-voice", BASE / "model.safetensors"], "there is a file that is no voice"),
    ],
)
def test_wrong_usage(cli: Callable[..., Done], arguments: Any, says: str) -> None:
    cli("encode", *arguments, *ON).refused(says)


def test_a_checkpoint_without_an_encoder(cli: Callable[..., Done]) -> None:
    cli("encode", REF_EN).refused("no codec encoder", "use a Base checkpoint")
