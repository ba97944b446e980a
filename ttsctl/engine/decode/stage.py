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
from ttsctl.engine.cuda.handover import CodesReceiver, DeviceCodes, on_stream
from ttsctl.engine.cuda.host_copy import HostCopy, copy_to_device, copy_to_host
from ttsctl.engine.cuda.work_time import WorkTime
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.sessions import OneshotSession, new_session
from ttsctl.engine.decode.staged import Stepper
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import DecodeProbes
from ttsctl.engine.switches import InForce


@dataclass(frozen=True)
class DecodeStage:
    """The decoder's weights and how they are used; holds no request. ``own_stream``: see ``handover.decoder_stream``.

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

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """The decoder's switches and its stream."""
        with self.in_force, on_stream(self.own_stream):
            yield

    def wait(self) -> None:
        """Wait until nothing is queued on the decoder's stream, as when a stream is closed early.

        What it reads may be given back afterwards.
        """
        if self.own_stream is not None:
            self.own_stream.synchronize()

    def to_device(self, codes: CodeArray) -> Tensor:
        """Codes (n, Q) on the decoder's device, for use inside ``working``."""
        return copy_to_device(codes, self.placement.decoder_device)

    def offline(self, codes: CodeArray, reference: CodeArray | None = None) -> tuple[PcmArray, int]:
        """codes (T, Q) int64 -> pcm (1920 · T,) float32, 24 kHz, in one call; and how many ids were clamped.

        ``reference``: codes (R, Q) of a reference to decode before them, whose audio is cut off. InputError for an id
        out of range, as ``check_codes``.
        """
        checked, clamped = check_codes(codes, 0, self.codebook_size, self.config)
        with self.working():
            session = OneshotSession(self.decoder)
            if reference is not None:
                before, _ = check_codes(reference, 0, self.codebook_size, self.config)
                session.prime(self.to_device(before))
            session.push(self.to_device(checked))
            return queue_pcm(session.flush()).read(), clamped


@dataclass(frozen=True, eq=False)
class TakenCodes:
    """A packet's codes (n, Q) as generated, perhaps on their way to the host, and then not checked yet.

    ``first_frame``: the place of their first frame in the stream.
    """

    codes: HostCopy
    first_frame: int
    checked: bool


@dataclass(frozen=True, eq=False)
class QueuedPcm:
    """PCM (m,) float32 that is decoded or, on CUDA, queued to be; ``time``: its decoding and the copy to the host."""

    pcm: HostCopy
    time: WorkTime


class Decoding:
    """One request's decoding: its session, how many frames it took, and how many ids were moved into range.

    ``primed``: a session of the request's own that has decoded a reference already; None = a fresh one. On CUDA the
    host waits in ``read_codes``, ``read_pcm`` and ``flush`` alone.
    """

    def __init__(self, stage: DecodeStage, probes: DecodeProbes, primed: Session | None = None) -> None:
        self._stage = stage
        self._receiver = None if stage.own_stream is None else CodesReceiver(stage.own_stream)
        self._held: list[Tensor] = []
        self.frames = 0
        self.clamped = 0
        with self._working():
            self._session = new_session(stage.decoder, stage.config, probes) if primed is None else primed
        self._session.staged.stepper = stage.stepper
        if self._receiver is not None and stage.config.stream.sync == "phase":
            self._session.staged.before_audio = self._receiver.wait_for_source

    @property
    def queues(self) -> bool:
        """Whether decoding is only queued when ``decode`` returns, so that more can be queued meanwhile."""
        return self._stage.placement.decoder_device.type == "cuda"

    @property
    def notes(self) -> tuple[str, ...]:
        """What ran eagerly although graphs were captured, and why."""
        staged = self._session.staged
        eager = staged.stepper is not None and staged.usable_stepper is None
        return (f"graphs: {self.calls} decoder calls ran eagerly: values are recorded",) if eager else ()

    @property
    def calls(self) -> int:
        """Decoder calls so far."""
        return self._session.calls

    @property
    def held(self) -> int:
        """Packets taken and not decoded yet."""
        return len(self._held)

    def take(self, codes: CodeArray | DeviceCodes) -> TakenCodes:
        """Put a packet aside for ``decode``.

        Codes on the host are checked first. Of codes on the device the host has seen nothing yet: the decoder gets them
        moved into range, and they are checked when they are read.
        """
        first, self.frames = self.frames, self.frames + len(codes.codes if isinstance(codes, DeviceCodes) else codes)
        with self._working():
            if isinstance(codes, DeviceCodes):
                taken, on_device = self._take_on_device(codes, first)
            else:
                taken, on_device = self._take_from_host(codes, first)
        self._held.append(on_device)
        return taken

    def _take_on_device(self, codes: DeviceCodes, first: int) -> tuple[TakenCodes, Tensor]:
        if self._receiver is None:
            raise RuntimeError("codes came with an event, but the decoder has no stream to wait on")
        on_device = self._receiver.receive(codes)
        taken = TakenCodes(copy_to_host(on_device), first, checked=False)
        determinism = self._stage.config.determinism
        if determinism.clamp_codes or determinism.validate_codes:
            on_device = on_device.clamp(0, self._stage.codebook_size - 1)
        return taken, on_device

    def _take_from_host(self, codes: CodeArray, first: int) -> tuple[TakenCodes, Tensor]:
        checked, clamped = check_codes(codes, first, self._stage.codebook_size, self._stage.config)
        self.clamped += clamped
        return TakenCodes(HostCopy(torch.from_numpy(codes)), first, checked=True), self._stage.to_device(checked)

    def read_codes(self, taken: TakenCodes) -> CodeArray:
        """The codes (n, Q) as generated. InputError for an id out of range, as ``check_codes``."""
        codes: CodeArray = taken.codes.read()
        if not taken.checked:
            self.clamped += check_codes(codes, taken.first_frame, self._stage.codebook_size, self._stage.config)[1]
        return codes

    def decode(self) -> QueuedPcm:
        """Decode all packets put aside in one push, or on CUDA queue that -> the PCM that they complete."""
        held, self._held = self._held, []
        spent = WorkTime(self._stage.placement.decoder_device)
        with self._working(), spent.measured():
            pcm = queue_pcm(self._session.push(held[0] if len(held) == 1 else torch.cat(held)))
        return QueuedPcm(pcm, spent)

    def read_pcm(self, queued: QueuedPcm) -> PcmArray:
        """The PCM (m,) float32."""
        pcm: PcmArray = queued.pcm.read()
        return pcm

    def flush(self) -> PcmArray:
        """The PCM (m,) of the packets put aside, and what the decode mode held back until the end."""
        pieces = [self.read_pcm(self.decode())] if self._held else []
        with self._working():
            rest = queue_pcm(self._session.flush())
        return np.concatenate([*pieces, rest.read()])

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """As the stage's; under ``sync`` the host waits for the device afterwards."""
        with self._stage.working():
            yield
            device = self._stage.placement.decoder_device
            if self._stage.config.stream.sync == "sync" and device.type == "cuda":
                torch.cuda.synchronize(device)


def queue_pcm(pcm: Tensor) -> HostCopy:
    """PCM of any float dtype, on its way to the host as float32."""
    return copy_to_host(pcm.float())


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
