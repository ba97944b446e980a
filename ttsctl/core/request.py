"""A request, and the events of the stream that answers it: chunks of audio, packets, then how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.trace import Trace

TextMode = Literal["streaming", "whole"]


@dataclass(frozen=True)
class Voice:
    """Who speaks and how; ``speaker`` None for checkpoints that design a voice from ``instruct`` alone."""

    id: str
    speaker: str | None = None
    language: str = "Auto"
    instruct: str | None = None


@dataclass(frozen=True)
class Request:
    """One text to speak. ``text_mode`` "whole" puts all text before the first frame, "streaming" one token a frame."""

    text: str
    voice: Voice
    text_id: str | None = None
    text_mode: TextMode = "streaming"


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
    counts from the request; None where the engine does not say.
    """

    frames: int
    truncated: bool
    seed: int | None
    notes: tuple[str, ...] = ()
    clamped: int = 0
    trace: Trace | None = None
    at_ms: float | None = None


Event = Chunk | Packet | End
