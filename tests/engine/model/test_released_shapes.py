"""Names and shapes of the released checkpoints, on the meta device."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.released import CODEC, released_shapes, talker_config
from ttsctl.core.errors import InputError
from ttsctl.engine.model.build_released import build, released_codec, released_config
from ttsctl.engine.model.checkpoint import SKIPPED
from ttsctl.engine.model.codec import SpeechTokenizer
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes
from ttsctl.engine.model.talker import Codegen

TALKERS = {
    "0.6B-CustomVoice": (1024, 3072, "0b6", "custom_voice"),
    "1.7B-CustomVoice": (2048, 6144, "1b7", "custom_voice"),
    "1.7B-VoiceDesign": (2048, 6144, "1b7", "voice_design"),
}


def _needed(name: str) -> dict[str, tuple[int, ...]]:
    return {n: s for n, s in released_shapes(name).items() if not SKIPPED.match(n)}


@pytest.mark.parametrize("name", sorted(TALKERS))
def test_talker_names_and_shapes(name: str) -> None:
    sizes = TalkerSizes.read(talker_config(*TALKERS[name]), "config.json")
    ours = {n: tuple(t.shape) for n, t in build_on_meta(lambda: Codegen(sizes)).state_dict().items()}
    assert ours == _needed(name)


def test_codec_names_and_shapes() -> None:
    ours = build_on_meta(lambda: SpeechTokenizer(CodecSizes.read(CODEC, "config.json"))).state_dict()
    assert {n: tuple(t.shape) for n, t in ours.items()} == _needed("speech_tokenizer")


def test_another_width_is_seen() -> None:
    sizes = TalkerSizes.read(talker_config(1024, 3080, "0b6", "custom_voice"), "config.json")
    ours = {n: tuple(t.shape) for n, t in build_on_meta(lambda: Codegen(sizes)).state_dict().items()}
    assert ours != _needed("0.6B-CustomVoice")


def test_the_compact_form_holds_all_tensors() -> None:
    counts = {name: len(released_shapes(name)) for name in (*TALKERS, "speech_tokenizer")}
    assert counts == {
        "0.6B-CustomVoice": 402,
        "1.7B-CustomVoice": 404,
        "1.7B-VoiceDesign": 404,
        "speech_tokenizer": 271,
    }


def test_the_built_network_has_no_memory() -> None:
    sizes = TalkerSizes.read(talker_config(*TALKERS["1.7B-CustomVoice"]), "config.json")
    assert all(p.is_meta for p in build_on_meta(lambda: Codegen(sizes)).parameters())


@pytest.mark.parametrize("size", ["0.6B", "1.7B"])
def test_a_random_checkpoint_has_the_released_shapes(size: str) -> None:
    sizes = TalkerSizes.read(released_config(1362, size), "config.json")
    ours = {n: tuple(t.shape) for n, t in build_on_meta(lambda: Codegen(sizes)).state_dict().items()}
    text = "talker.model.text_embedding.weight"
    wanted = _needed(f"{size}-CustomVoice")
    assert ours.pop(text)[1] == wanted.pop(text)[1]
    assert ours == wanted
    assert CodecSizes.read(released_codec(), "config.json") == CodecSizes.read(CODEC, "config.json")


def test_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean '0\.6B'"):
        build(tmp_path, "0.6b")
    assert not list(tmp_path.iterdir())
