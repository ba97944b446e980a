"""The prompt: the text and codec ids of every position before the first frame, and the text ids that come after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from ttsctl.core.errors import InputError
from ttsctl.core.request import Request
from ttsctl.engine.model.sizes import TalkerSizes

ROLE_IDS = 3
TAIL_IDS = 5
# A reference is wrapped without the assistant's turn that follows a text.
REF_TAIL_IDS = 2


@dataclass(frozen=True)
class Position:
    """One prompt position: the embeddings of a text id and of a codec id, added; None = that part is absent.

    In place of a codec id stands, in the prompt of a cloned voice, its x-vector or a ``frame`` of its reference, the
    sum of the embeddings of that frame's codes.
    """

    text: int | None
    codec: int | None = None
    x_vector: bool = False
    frame: int | None = None


@dataclass(frozen=True)
class Prompt:
    """``input_ids`` is the wrapped text, ``ref_ids`` that of a reference, ``positions`` the talker's prompt.

    ``trailing`` are the text ids whose embeddings are added to frames 0, 1, ... of the talker's input; tts_pad is added
    to all frames after them.
    """

    input_ids: tuple[int, ...]
    instruct_ids: tuple[int, ...]
    ref_ids: tuple[int, ...]
    positions: tuple[Position, ...]
    trailing: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def reference_positions(self) -> int:
        """Frames and text ids of a reference; 0 without one."""
        return len(self.ref_ids) + sum(position.frame is not None for position in self.positions)


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
    head = [Position(i) for i in asked] + [Position(i) for i in ids[:ROLE_IDS]]
    head += _codec_prefix(sizes, language, _voice_position(request, sizes, speaker))
    text = (*ids[ROLE_IDS:-TAIL_IDS], sizes.ids.tts_eos)
    ref_ids: list[int] = []
    if request.prompt is not None and request.prompt.codes is not None:
        ref_ids = tokenizer.encode(f"<|im_start|>assistant\n{request.prompt.ref_text}<|im_end|>\n").ids
        text = (*ref_ids[ROLE_IDS:-REF_TAIL_IDS], *text)
        body, trailing = _in_context(request, sizes, text, request.prompt.frames)
    else:
        body, trailing = _from_text(request, sizes, text)
    return Prompt(tuple(ids), tuple(asked), tuple(ref_ids), (*head, *body), trailing, tuple(notes))


def _from_text(request: Request, sizes: TalkerSizes, text: tuple[int, ...]) -> tuple[list[Position], tuple[int, ...]]:
    """The positions of a text, which ends with tts_eos, and the text ids that trail."""
    own = sizes.ids
    if request.text_mode == "streaming":
        return [Position(text[0], own.codec_bos)], text[1:]
    return [*(Position(i, own.codec_pad) for i in text), Position(own.tts_pad, own.codec_bos)], ()


def _in_context(
    request: Request, sizes: TalkerSizes, text: tuple[int, ...], frames: int
) -> tuple[list[Position], tuple[int, ...]]:
    """As ``_from_text``, with the reference's codes after codec_bos. text: the reference's, then the request's own."""
    own = sizes.ids
    codec = [Position(own.tts_pad, own.codec_bos), *(Position(own.tts_pad, frame=n) for n in range(frames))]
    if request.text_mode == "whole":
        return [*(Position(i, own.codec_pad) for i in text), *codec], ()
    # Text and codec side by side, from the first position of both on.
    beside = [replace(position, text=i) for position, i in zip(codec, text, strict=False)]
    return beside + codec[len(beside) :], text[len(codec) :]


def _voice_position(request: Request, sizes: TalkerSizes, speaker: str | None) -> Position | None:
    """Where the voice stands in the codec prefix; None for a voice that is designed, or the checkpoint's own."""
    if request.prompt is not None:
        return Position(sizes.ids.tts_pad, x_vector=True)
    return None if speaker is None else Position(sizes.ids.tts_pad, sizes.speaker_id(speaker))


def _codec_prefix(sizes: TalkerSizes, language: int | None, voice: Position | None) -> list[Position]:
    """Positions of language, voice and pad; their text id is tts_pad, that of the last position tts_bos."""
    own = sizes.ids
    if language is None:
        codec = [own.codec_nothink, own.codec_think_bos, own.codec_think_eos]
    else:
        codec = [own.codec_think, own.codec_think_bos, language, own.codec_think_eos]
    voices = [] if voice is None else [voice]
    return [*(Position(own.tts_pad, i) for i in codec), *voices, Position(own.tts_bos, own.codec_pad)]


def _speaker(request: Request, sizes: TalkerSizes, notes: list[str]) -> str | None:
    speaker = request.voice.speaker
    if sizes.model_type == "base":
        if request.prompt is None:
            raise InputError("a Base checkpoint: no voice to clone", "give a reference with --ref-audio")
        if speaker:
            notes.append(f"speaker {speaker!r} ignored: a Base checkpoint takes its voice from the reference")
        return None
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
    if instruct and sizes.model_type == "base":
        notes.append("instruct ignored: a Base checkpoint takes none")
        return None
    if instruct and sizes.model_type == "custom_voice" and sizes.model_size == "0b6":
        notes.append("instruct ignored: the 0.6B CustomVoice checkpoint takes none")
        return None
    return instruct or None
