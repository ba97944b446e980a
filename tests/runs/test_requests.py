"""Which texts and which voice a command speaks, from its options and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttsctl.core.errors import InputError
from ttsctl.core.request import Voice
from ttsctl.runs.requests import VoiceChoice, chosen_texts, make_requests


@pytest.fixture
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of two voices, from a folder that has no manifests."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "voices.json"
    file.write_text(
        '{"schema_version": "1.0", "voices": [{"id": "a", "speaker": "ryan", "language": "English"},'
        ' {"id": "b", "speaker": "eric", "instruct": "Softly."}]}'
    )
    return file


def voice_of(choice: VoiceChoice) -> Voice:
    return make_requests([(None, "hi")], choice)[0].voice


def test_texts_are_given_or_those_of_a_file(voices: Path) -> None:
    assert chosen_texts(["hi", "ho"], [], None) == [(None, "hi"), (None, "ho")]
    assert [text_id for text_id, _ in chosen_texts([], ["short_01", "long_01"], None)] == ["short_01", "long_01"]
    assert len(chosen_texts([], [], None)) == 5
    with pytest.raises(InputError, match="expected one of them, got both"):
        chosen_texts(["hi"], ["short_01"], None)


def test_the_voice_is_the_first_of_the_file_one_by_id_or_a_speaker(voices: Path) -> None:
    assert voice_of(VoiceChoice(voices=voices)) == Voice("a", "ryan", "English")
    assert voice_of(VoiceChoice(voices=voices, voice_id="b")) == Voice("b", "eric", "Auto", "Softly.")
    assert voice_of(VoiceChoice(speaker="Ryan")) == Voice("ryan", "Ryan")
    assert voice_of(VoiceChoice()).id == "serena", "the first of the shipped voices"
    with pytest.raises(InputError, match="expected one of them, got both"):
        voice_of(VoiceChoice(speaker="ryan", voice_id="a"))


def test_language_and_instruct_go_over_those_of_the_voice(voices: Path) -> None:
    choice = VoiceChoice(voices=voices, voice_id="b", language="German", instruct="Loudly.")
    assert voice_of(choice) == Voice("b", "eric", "German", "Loudly.")


def test_every_text_is_one_request(voices: Path) -> None:
    requests = make_requests([("x", "hi"), (None, "ho")], VoiceChoice(voices=voices, text_mode="whole"))
    assert [(r.text_id, r.text, r.voice.id, r.text_mode) for r in requests] == [
        ("x", "hi", "a", "whole"),
        (None, "ho", "a", "whole"),
    ]


def test_a_file_without_voices_is_wrong_input(voices: Path) -> None:
    voices.write_text('{"schema_version": "1.0", "voices": []}')
    with pytest.raises(InputError, match="expected at least one voice, got none"):
        voice_of(VoiceChoice(voices=voices))
