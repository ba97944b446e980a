"""One request through one engine to one run, which is checked against what the engine's protocol promises."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.capabilities import code_generator_of, offline_speaker_of
from ttsctl.core.codes import CodeArray
from ttsctl.core.delivery import Chunker, chunk_samples, with_delivered
from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.errors import EngineError
from ttsctl.core.request import Chunk, End, Event, Packet, Request
from ttsctl.core.run import Run
from ttsctl.core.timing import chunk_timing, codegen_timing, packet_stalls, packet_timing, stream_timing
from ttsctl.runs.timeout import Cancelled

_AUTHORS = "report this to the engine's authors"


def run_stream(engine: Engine, request: Request, cancelled: threading.Event) -> Run:
    """Consume one stream to its end -> a run of kind ``stream``. Its PCM is what left in chunks of ``stream.chunk_ms``.

    The decode prints of the trace end with those of the delivered frames. Raises Cancelled if ``cancelled`` is set when
    an event comes, EngineError if the engine breaks its protocol.
    """
    info = engine.info
    chunks, packets, end = _consumed(engine.stream(request), info, cancelled)
    chunks = chunks or _chunks_of(packets, chunk_samples(engine.config.stream.chunk_ms, info.sample_rate))
    pcm = _delivered(chunks, packets)
    left, timed = tuple(map(chunk_timing, chunks)), tuple(map(packet_timing, packets))
    return Run(
        kind="stream",
        codes=_joined(packets, end, info),
        pcm=pcm,
        truncated=end.truncated,
        seed=end.seed,
        timing=stream_timing(packets, info.sample_rate, left, end.at_ms),
        packets=timed,
        trace=None if end.trace is None else with_delivered(end.trace, pcm, info.frame_samples),
        notes=end.notes,
        clamped=end.clamped,
        chunks=left,
        packet_stalls=packet_stalls(timed),
        prompt=end.prompt,
    )


def run_codegen(engine: Engine, request: Request, cancelled: threading.Event) -> Run:
    """Consume code generation alone to its end -> a run of kind ``codegen``, without audio; raises as run_stream."""
    _, packets, end = _consumed(code_generator_of(engine).generate(request), engine.info, cancelled)
    timed = tuple(map(packet_timing, packets))
    return Run(
        kind="codegen",
        codes=_joined(packets, end, engine.info),
        pcm=None,
        truncated=end.truncated,
        seed=end.seed,
        timing=codegen_timing(packets, end.at_ms),
        packets=timed,
        trace=end.trace,
        notes=end.notes,
        packet_stalls=packet_stalls(timed),
        prompt=end.prompt,
    )


def run_offline(engine: Engine, request: Request) -> Run:
    """Speak the request in one piece -> a run of kind ``offline``. EngineError if the engine breaks its protocol."""
    run = offline_speaker_of(engine).offline(request)
    check_arrays(run.require_codes(), run.require_pcm(), engine.info, "offline")
    return run


def check_arrays(codes: CodeArray, pcm: PcmArray, info: EngineInfo, where: str) -> None:
    """EngineError unless codes are (T, Q) int64 and pcm is (N,) float32; ``where`` names their place in the error."""
    if codes.dtype != np.int64 or codes.ndim != 2 or codes.shape[1] != info.num_codebooks:
        what = f"{where}: expected codes (T, {info.num_codebooks}) int64, got {codes.shape} {codes.dtype}"
        raise EngineError(what, _AUTHORS)
    if pcm.dtype != np.float32 or pcm.ndim != 1:
        raise EngineError(f"{where}: expected pcm (N,) float32, got {pcm.shape} {pcm.dtype}", _AUTHORS)


def _consumed(
    events: Iterator[Event], info: EngineInfo, cancelled: threading.Event
) -> tuple[list[Chunk], list[Packet], End]:
    """All chunks and packets, each checked, and the one End that must come last."""
    chunks: list[Chunk] = []
    packets: list[Packet] = []
    end: End | None = None
    try:
        for event in events:
            if cancelled.is_set():
                raise Cancelled
            if end is not None:
                raise EngineError(f"stream: expected nothing after End, got {type(event).__name__}")
            if isinstance(event, End):
                end = event
            elif isinstance(event, Chunk):
                chunks.append(event)
            else:
                check_arrays(event.codes, event.pcm, info, f"packet {event.index}")
                packets.append(event)
    finally:
        # A generator frees the engine's state when closed; other iterators have nothing to close.
        close = getattr(events, "close", None)
        if close is not None:
            close()
    if end is None:
        raise EngineError(f"stream: ended after {len(packets)} packets without End")
    return chunks, packets, end


def _chunks_of(packets: list[Packet], samples: int) -> list[Chunk]:
    """The chunks of an engine that cuts none: each left with the packet that completes it."""
    at_ms = 0.0
    chunker = Chunker(samples, lambda: at_ms)
    chunks: list[Chunk] = []
    for packet in packets:
        at_ms = at_ms if packet.pcm_at_ms is None else packet.pcm_at_ms
        chunks += chunker.push(packet.pcm)
    return [*chunks, *chunker.rest()]


def _delivered(chunks: list[Chunk], packets: list[Packet]) -> PcmArray:
    """The PCM (N,) float32 of all chunks. EngineError if it is not that of the packets, sample for sample."""
    empty = np.empty(0, np.float32)
    left, made = (np.concatenate([empty, *(e.pcm for e in events)]) for events in (chunks, packets))
    if not np.array_equal(left, made, equal_nan=True):
        held = f"{len(left)} samples in its {len(chunks)} chunks, {len(made)} in its packets"
        raise EngineError(f"stream: expected the same audio in both, got {held}, or other values", _AUTHORS)
    return made


def _joined(packets: list[Packet], end: End, info: EngineInfo) -> CodeArray:
    """The codes (T, Q) int64 of all packets. EngineError if End counts other frames than the packets hold."""
    codes = np.concatenate([np.empty((0, info.num_codebooks), np.int64), *(packet.codes for packet in packets)])
    if len(codes) != end.frames:
        raise EngineError(f"stream: End says {end.frames} frames, the packets held {len(codes)}")
    return codes
