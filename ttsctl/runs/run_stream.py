"""One request through one engine: a streamed run, checked for being what the protocol promises."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.chunks import chunk_samples, rechunk
from ttsctl.core.codes import CodeArray
from ttsctl.core.delivered import with_delivered
from ttsctl.core.engine import End, Engine, EngineInfo, Packet, Request
from ttsctl.core.errors import EngineError
from ttsctl.core.timing import PacketTiming, StreamTiming, packet_timing, stream_timing
from ttsctl.core.trace import Trace
from ttsctl.runs.timeout import Cancelled


@dataclass(frozen=True)
class StreamRun:
    """A finished stream: codes (T, Q) int64 of all packets, and pcm (N,) float32 as it left, in ``chunks`` chunks.

    ``trace`` as ``record.trace`` asked, its decode prints ending with those of the delivered frames. ``clamped``: ids
    that ``determinism.clamp_codes`` moved into range.
    """

    codes: CodeArray
    pcm: PcmArray
    truncated: bool
    seed: int | None
    notes: tuple[str, ...]
    timing: StreamTiming
    chunks: int
    packets: tuple[PacketTiming, ...] = ()
    trace: Trace | None = None
    clamped: int = 0


def run_stream(engine: Engine, request: Request, cancelled: threading.Event) -> StreamRun:
    """Consume one stream to its end, looking between packets whether to stop."""
    packets: list[Packet] = []
    end: End | None = None
    events = engine.stream(request)
    try:
        for event in events:
            if cancelled.is_set():
                raise Cancelled
            if end is not None:
                raise EngineError(f"stream: expected nothing after End, got {type(event).__name__}")
            if isinstance(event, End):
                end = event
            else:
                check_arrays(event.codes, event.pcm, engine.info, f"packet {event.index}")
                packets.append(event)
    finally:
        # A generator frees the engine's state when closed; other iterators have nothing to close.
        close = getattr(events, "close", None)
        if close is not None:
            close()
    if end is None:
        raise EngineError(f"stream: ended after {len(packets)} packets without End")
    return _finished(packets, end, engine)


def _finished(packets: list[Packet], end: End, engine: Engine) -> StreamRun:
    info = engine.info
    none = (np.empty((0, info.num_codebooks), np.int64), np.empty(0, np.float32))
    codes = np.concatenate([p.codes for p in packets]) if packets else none[0]
    samples = chunk_samples(engine.config.stream.chunk_ms, info.sample_rate)
    chunks = list(rechunk((p.pcm for p in packets), samples))
    pcm = np.concatenate(chunks) if chunks else none[1]
    if len(codes) != end.frames:
        raise EngineError(f"stream: End says {end.frames} frames, the packets held {len(codes)}")
    return StreamRun(
        codes=codes,
        pcm=pcm,
        truncated=end.truncated,
        seed=end.seed,
        notes=end.notes,
        timing=stream_timing(packets, info.sample_rate),
        chunks=len(chunks),
        packets=tuple(map(packet_timing, packets)),
        trace=None if end.trace is None else with_delivered(end.trace, pcm, info.frame_samples),
        clamped=end.clamped,
    )


def check_arrays(codes: CodeArray, pcm: PcmArray, info: EngineInfo, where: str) -> None:
    """EngineError unless codes are (T, Q) int64 and pcm is (N,) float32, told at ``where``."""
    if codes.dtype != np.int64 or codes.ndim != 2 or codes.shape[1] != info.num_codebooks:
        raise EngineError(
            f"{where}: expected codes (T, {info.num_codebooks}) int64, got {codes.shape} {codes.dtype}",
            "report this to the engine's authors",
        )
    if pcm.dtype != np.float32 or pcm.ndim != 1:
        raise EngineError(
            f"{where}: expected pcm (N,) float32, got {pcm.shape} {pcm.dtype}", "report this to the engine's authors"
        )
