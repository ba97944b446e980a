"""Decoding as a stage of a stream: packets of codes in, PCM out. Every id is checked before it is decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray, code_range
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.cuda_handover import DecoderStream, DeviceCodes
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.sessions import OneshotSession, new_session
from ttsctl.engine.decode.staged import Stepper
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import DecodeProbes
from ttsctl.engine.switches import InForce


@dataclass(frozen=True)
class DecodeStage:
    """The decoder's weights and how they are used; holds no request. ``own_stream``: see ``cuda_handover``.

    ``stepper`` runs the fixed steps of streams; None = eagerly.
    """

    decoder: CodecDecoder
    config: Config
    placement: Placement
    in_force: InForce
    own_stream: torch.cuda.Stream | None = None
    stepper: Stepper | None = None

    @property
    def codebook_size(self) -> int:
        return self.decoder.sizes.codebook_size

    def offline(self, codes: CodeArray, reference: CodeArray | None = None) -> tuple[PcmArray, int]:
        """codes (T, Q) int64 -> pcm (1920 · T,) float32, 24 kHz, in one call; and how many ids were clamped.

        ``reference``: codes (R, Q) of a reference to decode before them, whose audio is cut off. InputError for an id
        out of range, as ``check_codes``.
        """
        checked, clamped = check_codes(codes, 0, self.codebook_size, self.config)
        with self.in_force:
            session = OneshotSession(self.decoder)
            if reference is not None:
                before, _ = check_codes(reference, 0, self.codebook_size, self.config)
                session.prime(torch.from_numpy(before).to(self.placement.decoder_device))
            session.push(torch.from_numpy(checked).to(self.placement.decoder_device))
            return _to_pcm(session.flush()), clamped


class Decoding:
    """One request's decoding: its session, how many frames it took, and how many ids were moved into range.

    ``primed``: a session of the request's own that has decoded a reference already; None = a fresh one.
    """

    def __init__(self, stage: DecodeStage, probes: DecodeProbes, primed: Session | None = None) -> None:
        self._stage = stage
        self._stream = None if stage.own_stream is None else DecoderStream(stage.own_stream)
        self._held: list[Tensor] = []
        self.frames = 0
        self.clamped = 0
        with self._working():
            self._session = new_session(stage.decoder, stage.config, probes) if primed is None else primed
        self._session.staged.stepper = stage.stepper
        if self._stream is not None and stage.config.stream.sync == "phase":
            self._session.staged.before_audio = self._stream.wait_for_source

    @property
    def calls(self) -> int:
        """Decoder calls so far."""
        return self._session.calls

    @property
    def held(self) -> int:
        """Packets taken and not decoded yet."""
        return len(self._held)

    def take(self, codes: CodeArray | DeviceCodes) -> CodeArray:
        """Check a packet and put it aside for ``decode`` -> the codes as generated, (n, Q) on the host."""
        with self._working():
            on_device, host = self._receive(codes)
            checked, clamped = check_codes(host, self.frames, self._stage.codebook_size, self._stage.config)
            if on_device is None or clamped:
                on_device = torch.from_numpy(checked).to(self._stage.placement.decoder_device)
        self._held.append(on_device)
        self.frames += len(host)
        self.clamped += clamped
        return host

    def _receive(self, codes: CodeArray | DeviceCodes) -> tuple[Tensor | None, CodeArray]:
        """The codes on the device, if they came on it, and on the host."""
        if not isinstance(codes, DeviceCodes):
            return None, codes
        if self._stream is None:
            raise RuntimeError("codes came with an event, but the decoder has no stream to wait on")
        on_device = self._stream.receive(codes)
        return on_device, on_device.cpu().numpy()

    def decode(self) -> PcmArray:
        """Decode all packets put aside in one push -> the PCM (m,) float32 that they complete."""
        held, self._held = self._held, []
        with self._working():
            return _to_pcm(self._session.push(held[0] if len(held) == 1 else torch.cat(held)))

    def flush(self) -> PcmArray:
        """The PCM (m,) float32 of the packets put aside, and what the decode mode held back until the end."""
        pieces = [self.decode()] if self._held else []
        with self._working():
            pieces.append(_to_pcm(self._session.flush()))
        return np.concatenate(pieces)

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """The decoder's switches and stream, and under ``sync`` a wait for the device."""
        with self._stage.in_force, contextlib.nullcontext() if self._stream is None else self._stream.current():
            yield
            device = self._stage.placement.decoder_device
            if self._stage.config.stream.sync == "sync" and device.type == "cuda":
                torch.cuda.synchronize(device)


def check_codes(codes: CodeArray, first_frame: int, codebook_size: int, config: Config) -> tuple[CodeArray, int]:
    """Codes (n, Q) as the decoder may see them, and how many ids were moved into 0..codebook_size - 1.

    InputError names the first id out of range, its codebook, and its frame in the stream, in which the packet starts
    at ``first_frame``. On CUDA such an id would be a device assert that ends the process.
    """
    determinism = config.determinism
    if not (determinism.clamp_codes or determinism.validate_codes):
        return codes, 0
    found = code_range(codes, codebook_size)
    if found.first is None:
        return codes, 0
    if determinism.clamp_codes:
        return np.clip(codes, 0, codebook_size - 1), found.out_of_range_count
    frame, codebook, value = found.first
    raise InputError(
        f"codes: id {value} at frame {first_frame + frame}, codebook {codebook} is outside 0..{codebook_size - 1}",
        "the codes do not fit this checkpoint; determinism.clamp_codes=true decodes them all the same",
    )


def _to_pcm(pcm: Tensor) -> PcmArray:
    """Any float dtype and device -> float32 numpy."""
    return pcm.float().cpu().numpy()
