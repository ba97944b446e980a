"""The engine as the gate and the labs know it: a request in, timed packets of codes and audio out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.provenance import Provenance
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
class End:
    """The last event of a stream: how it ended. ``truncated`` = the cap came before the end token.

    ``clamped``: ids that ``determinism.clamp_codes`` moved into range. ``trace`` as ``record.trace`` asked.
    """

    frames: int
    truncated: bool
    seed: int | None
    notes: tuple[str, ...] = ()
    clamped: int = 0
    trace: Trace | None = None


@dataclass(frozen=True)
class Offline:
    """The request in one piece: all codes (T, Q), then one decode. ``pcm (samples,) float32``; times in ms."""

    codes: CodeArray
    pcm: PcmArray
    truncated: bool
    seed: int | None
    code_ms: float
    decode_ms: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineInfo:
    """What the engine is and what is in force, not what was asked: ``in_force`` is echoed in every summary."""

    codebook_size: int
    num_codebooks: int
    sample_rate: int
    frame_samples: int
    model_type: str
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    in_force: dict[str, object]
    provenance: Provenance


class Engine(Protocol):
    """Anything that speaks. Requests are independent: the same request gives the same codes unless drift is there."""

    @property
    def config(self) -> Config: ...

    @property
    def info(self) -> EngineInfo: ...

    def stream(self, request: Request) -> Iterator[Packet | End]:
        """Packets as they are ready, then one End. Closing the iterator early frees everything and flushes nothing."""
        ...

    def offline(self, request: Request) -> Offline:
        """All codes first, then the decoder once over all frames."""
        ...

    def decode_offline(self, codes: CodeArray) -> PcmArray:
        """codes (T, Q) -> pcm (frame_samples * T,) in one call."""
        ...
