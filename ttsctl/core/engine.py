"""An engine as the questions know it: what it is, what it can show, and one small protocol for each thing it can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.encoded_audio import EncodedAudio
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import End, Event, Packet, Request
from ttsctl.core.run import Run


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


@dataclass(frozen=True)
class Capabilities:
    """What an engine can show besides speaking.

    codes: packets hold codes, and it is ``GeneratesCodes``. decoding: it is ``DecodesCodes``. offline: it is
    ``SpeaksOffline``. traces: it is ``core.forensic.Forensic``. seeds: a request's seed decides what it draws.
    concurrency: how many requests it serves at once. encoding: it is ``EncodesAudio``.
    """

    codes: bool
    decoding: bool
    offline: bool
    traces: bool
    seeds: bool
    concurrency: int = 1
    encoding: bool = False


class Engine(Protocol):
    """Anything that speaks. Requests are independent: the same request gives the same codes unless drift is there."""

    @property
    def config(self) -> Config: ...

    @property
    def info(self) -> EngineInfo: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def stream(self, request: Request) -> Iterator[Event]:
        """Packets as they are ready, then one End. Closing the iterator early frees everything and flushes nothing.

        An engine that cuts its audio itself yields the chunks too, each before the packet that completes it.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds outside of this object, such as a worker process. Harmless twice."""
        ...


@runtime_checkable
class GeneratesCodes(Protocol):
    """An engine that generates codes without decoding them."""

    def generate(self, request: Request) -> Iterator[Packet | End]:
        """As ``Engine.stream``, but nothing is decoded: packets have codes, no PCM and no decoding time."""
        ...


@runtime_checkable
class SpeaksOffline(Protocol):
    """An engine that speaks in one piece."""

    def offline(self, request: Request) -> Run:
        """All codes first, then the decoder once over all frames: a run of kind ``offline``."""
        ...


@runtime_checkable
class DecodesCodes(Protocol):
    """An engine that decodes codes that it is given."""

    def decode(self, codes: CodeArray, config: Config, reference: CodeArray | None = None) -> Run:
        """codes (T, Q) int64 in packets, as ``decoder`` and ``stream`` of ``config`` say: a run of kind ``decode``.

        ``reference``: codes (R, Q) of a cloned voice's reference, decoded before them as ``decoder.reference`` says;
        its audio is cut off, and the time that it takes is not counted.
        """
        ...

    def decode_offline(self, codes: CodeArray, reference: CodeArray | None = None) -> PcmArray:
        """codes (T, Q) int64 -> pcm (frame_samples * T,) float32 in one call, always after ``reference`` if given."""
        ...


@runtime_checkable
class EncodesAudio(Protocol):
    """An engine that encodes audio, as it does the reference of a cloned voice."""

    def encode(self, audio: Path) -> EncodedAudio:
        """A wav or flac file to codes. InputError for a checkpoint without an encoder, and for audio as of
        ``engine.voice.reference.read_reference``.
        """
        ...

    def reference_codes(self, request: Request) -> CodeArray | None:
        """The codes (R, Q) int64 that a request of a cloned voice begins with; None for any other request."""
        ...
