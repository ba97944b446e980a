"""A request, and the events of the stream that answers it: chunks of audio, packets, then how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.trace import Trace
from ttsctl.core.voice_prompt import PromptUse, VoicePrompt

TextMode = Literal["streaming", "whole"]


@dataclass(frozen=True)
class Voice:
    """Who speaks and how; ``speaker`` None for checkpoints that design a voice from ``instruct`` alone, or clone one.

    A cloned voice has ``ref_audio``, the path of its reference, and ``ref_text``, what that says, or ``voice_file``,
    the path of a saved prompt. ``x_vector_only``: the reference gives the x-vector, but no codes. ``ref_sha256``: of
    the bytes of whichever file it is.
    """

    id: str
    speaker: str | None = None
    language: str = "Auto"
    instruct: str | None = None
    ref_audio: str | None = None
    ref_text: str | None = None
    x_vector_only: bool = False
    voice_file: str | None = None
    ref_sha256: str | None = None

    @property
    def is_cloned(self) -> bool:
        """Whether it has a reference."""
        return self.ref_audio is not None or self.voice_file is not None

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Voice:
        """The voice that ``to_dict`` wrote; ValueError for fields that no voice has."""
        unknown = sorted(set(table) - {field.name for field in fields(cls)})
        if unknown or not table.get("id"):
            raise ValueError(f"expected the fields of a voice, got {', '.join(unknown) or 'no id'}")
        return cls(**table)

    def to_dict(self) -> dict[str, Any]:
        """Its fields for JSON; those of a reference only where there is one."""
        own = ("id", "speaker", "language", "instruct")
        names = [field.name for field in fields(self)] if self.is_cloned else own
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Request:
    """One text to speak. ``text_mode`` "whole" puts all text before the first frame, "streaming" one token a frame.

    ``prompt``: that of a cloned voice; None = the engine reads or encodes it.
    """

    text: str
    voice: Voice
    text_id: str | None = None
    text_mode: TextMode = "streaming"
    prompt: VoicePrompt | None = None

    def to_dict(self) -> dict[str, Any]:
        """What is asked, for JSON: all but the prompt, which the voice stands for."""
        asked = {"text": self.text, "voice": self.voice.to_dict()}
        return {**asked, "text_id": self.text_id, "text_mode": self.text_mode}


@dataclass(frozen=True)
class Packet:
    """Up to ``packet_tokens`` frames of codes and their audio.

    codes (n, Q) int64, pcm (m,) float32 at the engine's rate (empty where the decoder holds audio back).
    ``codes_at_ms`` and ``pcm_at_ms`` count from the request; ``decode_ms`` is None if nothing was decoded.
    """

    index: int
    codes: CodeArray
    pcm: PcmArray
    code_ms: float
    queue_wait_ms: float
    decode_ms: float | None
    codes_at_ms: float
    pcm_at_ms: float | None
    decode_calls: int = 1


@dataclass(frozen=True)
class Chunk:
    """Audio as it leaves for the consumer: ``stream.chunk_ms`` of it, the last one of a stream less.

    pcm (m,) float32; ``offset``: its first sample's place in the stream. ``at_ms`` counts from the request to the
    moment it left. An engine yields the chunks that a packet completes before that packet; one that cuts none leaves
    them out.
    """

    index: int
    offset: int
    pcm: PcmArray
    at_ms: float


@dataclass(frozen=True)
class End:
    """The last event of a stream: how it ended. ``truncated`` = the cap came before the end token.

    ``clamped``: ids that ``determinism.clamp_codes`` moved into range. ``trace`` as ``record.trace`` asked. ``at_ms``
    counts from the request; None where the engine does not say. ``prompt``: what a cloned voice was made of.
    """

    frames: int
    truncated: bool
    seed: int | None
    notes: tuple[str, ...] = ()
    clamped: int = 0
    trace: Trace | None = None
    at_ms: float | None = None
    prompt: PromptUse | None = None


Event = Chunk | Packet | End
