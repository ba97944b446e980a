"""The prompt, position by position."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.engine.model.checkpoint import BUILTIN, open_checkpoint
from ttsctl.engine.model.prompt import Position, build_prompt
from ttsctl.engine.model.sizes import TalkerSizes
from ttsctl.engine.model.text import load_tokenizer


@pytest.fixture(scope="module")
def sizes() -> TalkerSizes:
    return open_checkpoint("builtin").sizes


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(BUILTIN)


def _request(text: str = "Good morning.", mode: TextMode = "streaming", **voice: Any) -> Request:
    return Request(text, Voice("v", **{"speaker": "vivian", **voice}), text_mode=mode)


def test_streaming_prompt(sizes: TalkerSizes, tokenizer: Any) -> None:
    prompt, own = build_prompt(_request(language="English"), sizes, tokenizer), sizes.ids
    ids = prompt.input_ids
    assert prompt.positions == (
        *(Position(i) for i in ids[:3]),
        Position(own.tts_pad, own.codec_think),
        Position(own.tts_pad, own.codec_think_bos),
        Position(own.tts_pad, sizes.languages["english"]),
        Position(own.tts_pad, own.codec_think_eos),
        Position(own.tts_pad, sizes.speakers["vivian"]),
        Position(own.tts_bos, own.codec_pad),
        Position(ids[3], own.codec_bos),
    )
    assert prompt.trailing == (*ids[4:-5], own.tts_eos)


def test_auto_language_has_no_think(sizes: TalkerSizes, tokenizer: Any) -> None:
    codec = [p.codec for p in build_prompt(_request(), sizes, tokenizer).positions]
    own = sizes.ids
    assert codec[3:6] == [own.codec_nothink, own.codec_think_bos, own.codec_think_eos]


def test_whole_text_prompt(sizes: TalkerSizes, tokenizer: Any) -> None:
    prompt, own = build_prompt(_request(mode="whole"), sizes, tokenizer), sizes.ids
    text = prompt.input_ids[3:-5]
    assert prompt.positions[-len(text) - 2 :] == (
        *(Position(i, own.codec_pad) for i in (*text, own.tts_eos)),
        Position(own.tts_pad, own.codec_bos),
    )
    assert prompt.trailing == ()


@pytest.mark.parametrize(
    ("language", "wanted"), [("Auto", "beijing_dialect"), ("chinese", "beijing_dialect"), ("English", "english")]
)
def test_dialect_speaker(language: str, wanted: str, sizes: TalkerSizes, tokenizer: Any) -> None:
    prompt = build_prompt(_request(speaker="Dylan", language=language), sizes, tokenizer)
    assert sizes.languages[wanted] in [p.codec for p in prompt.positions]


def test_instruct_comes_first(sizes: TalkerSizes, tokenizer: Any) -> None:
    prompt = build_prompt(_request(instruct="Slowly."), sizes, tokenizer)
    asked = tokenizer.encode("<|im_start|>user\nSlowly.<|im_end|>\n").ids
    assert list(prompt.instruct_ids) == asked == [p.text for p in prompt.positions[: len(asked)]]


def test_the_small_custom_voice_ignores_instruct(sizes: TalkerSizes, tokenizer: Any) -> None:
    small = replace(sizes, model_size="0b6")
    prompt = build_prompt(_request(instruct="Slowly."), small, tokenizer)
    assert prompt.positions == build_prompt(_request(), small, tokenizer).positions
    assert "instruct ignored" in prompt.notes[0]


def test_voice_design_has_no_speaker(sizes: TalkerSizes, tokenizer: Any) -> None:
    design = replace(sizes, model_type="voice_design")
    prompt = build_prompt(_request(instruct="A deep voice."), design, tokenizer)
    assert sizes.speakers["vivian"] not in [p.codec for p in prompt.positions]
    assert prompt.instruct_ids
    assert "speaker 'vivian' ignored" in prompt.notes[0]


def test_one_token_text_trails_only_the_end(sizes: TalkerSizes, tokenizer: Any) -> None:
    assert build_prompt(_request("A"), sizes, tokenizer).trailing == (sizes.ids.tts_eos,)


@pytest.mark.parametrize(
    ("request_", "model_type", "says"),
    [
        (_request(" \n"), "custom_voice", "text: expected"),
        (_request(speaker="vivien"), "custom_voice", "did you mean 'vivian'"),
        (_request(language="englisch"), "custom_voice", "did you mean 'english'"),
        (_request(), "base", "no voice to clone"),
        (_request(), "other", "tts_model_type"),
    ],
)
def test_wrong_requests(request_: Request, model_type: str, says: str, sizes: TalkerSizes, tokenizer: Any) -> None:
    with pytest.raises(InputError, match=says):
        build_prompt(request_, replace(sizes, model_type=model_type), tokenizer)
