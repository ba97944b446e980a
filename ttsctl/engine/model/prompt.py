"""The prompt: the text and codec ids of every position before the first frame, and the text ids that come after it."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request
from ttsctl.engine.model.sizes import TalkerSizes

ROLE_IDS = 3
TAIL_IDS = 5


@dataclass(frozen=True)
class Position:
    """One prompt position: the embeddings of a text id and of a codec id, added; None = that part is absent."""

    text: int | None
    codec: int | None = None


@dataclass(frozen=True)
class Prompt:
    """``input_ids`` is the wrapped text, ``positions`` the talker's prompt.

    ``trailing`` are the text ids whose embeddings are added to frames 0, 1, ... of the talker's input; tts_pad is added
    to all frames after them.
    """

    input_ids: tuple[int, ...]
    instruct_ids: tuple[int, ...]
    positions: tuple[Position, ...]
    trailing: tuple[int, ...]
    notes: tuple[str, ...]


def build_prompt(request: Request, sizes: TalkerSizes, tokenizer: Tokenizer) -> Prompt:
    """The prompt of a request. InputError for empty text, an unknown voice, or what the checkpoint cannot do."""
    if not request.text.strip():
        raise InputError("text: expected at least one character that is not white space, got none", "give a text")
    notes: list[str] = []
    speaker = _speaker(request, sizes, notes)
    instruct = _instruct(request, sizes, notes)
    ids = tokenizer.encode(f"<|im_start|>assistant\n{request.text}<|im_end|>\n<|im_start|>assistant\n").ids
    if ids[0] != sizes.ids.im_start:
        raise InputError(
            f"tokenizer: '<|im_start|>' should be id {sizes.ids.im_start}, but begins with {ids[0]}",
            "config.json and the tokenizer files are not of one model",
        )
    asked = tokenizer.encode(f"<|im_start|>user\n{instruct}<|im_end|>\n").ids if instruct else []
    language = sizes.language_id(request.voice.language, speaker)
    positions = [Position(i) for i in asked] + [Position(i) for i in ids[:ROLE_IDS]]
    positions += _codec_prefix(sizes, language, None if speaker is None else sizes.speaker_id(speaker))
    text, own = ids[ROLE_IDS:-TAIL_IDS], sizes.ids
    if request.text_mode == "streaming":
        positions.append(Position(text[0], own.codec_bos))
        trailing = (*text[1:], own.tts_eos)
    else:
        positions += [Position(i, own.codec_pad) for i in (*text, own.tts_eos)]
        positions.append(Position(own.tts_pad, own.codec_bos))
        trailing = ()
    return Prompt(tuple(ids), tuple(asked), tuple(positions), trailing, tuple(notes))


def _codec_prefix(sizes: TalkerSizes, language: int | None, speaker: int | None) -> list[Position]:
    """Positions of language, speaker and pad; their text id is tts_pad, that of the last position tts_bos."""
    own = sizes.ids
    if language is None:
        codec = [own.codec_nothink, own.codec_think_bos, own.codec_think_eos]
    else:
        codec = [own.codec_think, own.codec_think_bos, language, own.codec_think_eos]
    if speaker is not None:
        codec.append(speaker)
    return [Position(own.tts_pad, i) for i in codec] + [Position(own.tts_bos, own.codec_pad)]


def _speaker(request: Request, sizes: TalkerSizes, notes: list[str]) -> str | None:
    if sizes.model_type == "base":
        raise InputError(
            "voice cloning is not supported, and a Base checkpoint speaks in no other way",
            "use a CustomVoice or VoiceDesign checkpoint",
        )
    speaker = request.voice.speaker
    if sizes.model_type == "voice_design":
        if speaker:
            notes.append(f"speaker {speaker!r} ignored: a VoiceDesign checkpoint takes its voice from the instruction")
        return None
    if sizes.model_type != "custom_voice":
        raise InputError(
            f"checkpoint: tts_model_type {sizes.model_type!r} is unknown", "expected custom_voice, voice_design or base"
        )
    if speaker:
        sizes.speaker_id(speaker)
    return speaker or None


def _instruct(request: Request, sizes: TalkerSizes, notes: list[str]) -> str | None:
    """The instruction in force. The 0.6B CustomVoice checkpoint was not trained on instructions: it gets none."""
    instruct = request.voice.instruct
    if instruct and sizes.model_type == "custom_voice" and sizes.model_size == "0b6":
        notes.append("instruct ignored: the 0.6B CustomVoice checkpoint takes none")
        return None
    return instruct or None
