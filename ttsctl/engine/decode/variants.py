"""The same codes through another decode mode: what comes out, packet by packet, and how long each packet takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray, code_range
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.decode.decoding import new_session
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.codec import CodecDecoder


@dataclass(frozen=True)
class VariantResult:
    """One decode of codes (T, Q) -> pcm (samples,) float32 at the engine's rate.

    ``packet_samples`` and ``packet_ms``: what each push of ``stream.packet_tokens`` frames gave and took; the last
    entry is the flush, if that gave anything. ``samples_expected``: 1920 a frame.
    """

    pcm: PcmArray
    packet_samples: tuple[int, ...]
    packet_ms: tuple[float, ...]
    calls: int
    samples_expected: int


def check_fit(engine: LocalEngine, codes: CodeArray, label: str) -> None:
    """InputError if codes (T, Q) are not of the engine's checkpoint: another Q, or an id its codebooks do not hold."""
    info = engine.info
    if codes.ndim != 2 or codes.shape[1] != info.num_codebooks:
        raise InputError(
            f"{label}: codes of shape {codes.shape}; the checkpoint has {info.num_codebooks} codebooks",
            "the codes do not fit this checkpoint; name theirs with --checkpoint",
        )
    found = code_range(codes, info.codebook_size)
    if found.first is None or engine.config.determinism.clamp_codes:
        return
    frame, codebook, value = found.first
    raise InputError(
        f"{label}: id {value} at frame {frame}, codebook {codebook} is outside 0..{info.codebook_size - 1} "
        f"({found.out_of_range_count} such ids)",
        "the codes do not fit this checkpoint; name theirs with --checkpoint",
    )


@torch.inference_mode()
def decode_variant(engine: LocalEngine, codes: CodeArray, config: Config) -> VariantResult:
    """Decode codes (T, Q) int64 as ``config.decoder`` and ``config.stream`` say, on the engine's loaded decoder.

    The first packet is decoded once before the clock starts, so that no variant pays for warming up.
    """
    checked = codes
    if engine.config.determinism.clamp_codes:
        checked = np.clip(codes, 0, engine.info.codebook_size - 1)
    frames = torch.from_numpy(np.ascontiguousarray(checked)).to(engine.placement.decoder_device)
    packets = frames.split(config.stream.packet_tokens)
    legacy, before = (table.decoder.padding == "legacy" for table in (config, engine.config))
    with engine.decode_stage.in_force, _padding(engine.decoder, legacy, before):
        _decode(engine.decoder, config, packets[:1])
        pieces, packet_ms, calls = _decode(engine.decoder, config, packets)
    pcm = np.concatenate([np.zeros(0, np.float32), *pieces])
    expected = len(codes) * engine.info.frame_samples
    return VariantResult(pcm, tuple(len(p) for p in pieces), tuple(packet_ms), calls, expected)


@contextlib.contextmanager
def _padding(decoder: CodecDecoder, legacy: bool, before: bool) -> Iterator[None]:
    """One loaded decoder serves all variants, so each leaves the padding as it was."""
    decoder.set_legacy(legacy)
    try:
        yield
    finally:
        decoder.set_legacy(before)


def _decode(
    decoder: CodecDecoder, config: Config, packets: tuple[torch.Tensor, ...]
) -> tuple[list[PcmArray], list[float], int]:
    """PCM and ms of each packet, then of the flush if it gave anything; and the decoder calls in all."""
    session = new_session(decoder, config)
    pieces: list[PcmArray] = []
    times: list[float] = []
    for packet in [*packets, None]:
        started = time.perf_counter()
        pcm = session.flush() if packet is None else session.push(packet)
        # Copying to the host waits for the device, so its work is inside the measured time.
        piece = pcm.float().cpu().numpy()
        if packet is not None or len(piece):
            pieces.append(piece)
            times.append((time.perf_counter() - started) * 1e3)
    return pieces, times, session.calls
