"""Decodes given codes in any decode mode on a loaded decoder, packet by packet, and times each packet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import numpy as np
import torch

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.run import Run
from ttsctl.core.timing import PacketTiming, decode_timing, packet_stalls
from ttsctl.engine.decode.reference import primed_session, session_after
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.sessions import new_session
from ttsctl.engine.decode.stage import DecodeStage, queue_pcm
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.probes import DecodeProbes


@torch.inference_mode()
def decode_variant(
    stage: DecodeStage, codes: CodeArray, config: Config, sample_rate: int, reference: CodeArray | None = None
) -> Run:
    """Decode codes (T, Q) int64 as ``config.decoder`` and ``config.stream`` say, on the stage's loaded decoder.

    ``reference``: codes (R, Q) of a reference before them, which ``decoder.reference`` gives to all packets, the first
    or none. It is decoded before the clock starts.

    The first packet is decoded once before the clock starts, so that no variant pays for warming up. No packet waits
    for its codes. The last entry of ``packets`` is the flush, without frames, if that gave any audio.
    """
    legacy, before = (table.decoder.padding == "legacy" for table in (config, stage.config))
    with stage.working(), _padding(stage.decoder, legacy, before):
        before_them = None if reference is None else _on_device(stage, reference)
        packets = _on_device(stage, codes).split(config.stream.packet_tokens)
        _decode(_session(stage.decoder, config, before_them), packets[:1])
        pieces, times, calls = _decode(_session(stage.decoder, config, before_them), packets)
    pcm = np.concatenate([np.zeros(0, np.float32), *pieces])
    timings = _packet_times([len(packet) for packet in packets], pieces, times)
    timing = decode_timing(timings, calls, sample_rate)
    return Run("decode", None, pcm, None, None, timing, timings, packet_stalls=packet_stalls(timings))


def _on_device(stage: DecodeStage, codes: CodeArray) -> torch.Tensor:
    if stage.config.determinism.clamp_codes:
        codes = np.clip(codes, 0, stage.codebook_size - 1)
    return stage.to_device(codes)


def _session(decoder: CodecDecoder, config: Config, reference: torch.Tensor | None) -> Session:
    if reference is None:
        return new_session(decoder, config)
    return session_after(primed_session(decoder, config, reference), decoder, config, DecodeProbes())


def _packet_times(frames: list[int], pieces: list[PcmArray], times: list[float]) -> tuple[PacketTiming, ...]:
    at_ms, timings = 0.0, []
    for index, (piece, ms) in enumerate(zip(pieces, times, strict=True)):
        count = frames[index] if index < len(frames) else 0
        timings.append(PacketTiming(index, count, len(piece), 0.0, 0.0, ms, at_ms, at_ms + ms))
        at_ms += ms
    return tuple(timings)


@contextlib.contextmanager
def _padding(decoder: CodecDecoder, legacy: bool, before: bool) -> Iterator[None]:
    """Sets the padding for the length of the block: all variants share one loaded decoder."""
    decoder.set_legacy(legacy)
    try:
        yield
    finally:
        decoder.set_legacy(before)


def _decode(session: Session, packets: tuple[torch.Tensor, ...]) -> tuple[list[PcmArray], list[float], int]:
    """PCM and ms of each packet, then of the flush if it gave any audio; and the number of decoder calls."""
    pieces: list[PcmArray] = []
    times: list[float] = []
    for packet in [*packets, None]:
        started = time.perf_counter()
        pcm = session.flush() if packet is None else session.push(packet)
        # Reading it waits for the device, so its work is inside the measured time.
        piece = queue_pcm(pcm).read()
        if packet is not None or len(piece):
            pieces.append(piece)
            times.append((time.perf_counter() - started) * 1e3)
    return pieces, times, session.calls
