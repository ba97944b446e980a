"""Codes from code generation to the decoder on one GPU: with a CUDA event, and on the decoder's own stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.placement import Placement


@dataclass(frozen=True, eq=False)
class DeviceCodes:
    """Codes (n, Q) int64 on the device, the event after which they are complete, and the stream that computes them."""

    codes: Tensor
    event: torch.cuda.Event
    stream: torch.cuda.Stream


def with_event(codes: Tensor) -> DeviceCodes:
    """Codes on a CUDA device, with an event recorded on the current stream, which computes them."""
    stream = torch.cuda.current_stream(codes.device)
    event = torch.cuda.Event()
    event.record(stream)
    return DeviceCodes(codes, event, stream)


def refuse_sync(config: Config, placement: Placement) -> None:
    """InputError if ``stream.sync`` is not possible with these devices and this ``stream.overlap``."""
    sync = config.stream.sync
    if sync == "none":
        return
    devices = (placement.codegen_device, placement.decoder_device)
    if all(device.type == "cpu" for device in devices):
        raise InputError(
            f"stream.sync = {sync!r}: both stages run on the CPU, where nothing is left to synchronise",
            "leave it at 'none'",
        )
    if sync == "sync":
        return
    if config.stream.overlap == "process":
        raise InputError(
            f"stream.sync = {sync!r} needs both stages in one process; stream.overlap is 'process'",
            "use overlap 'none' or 'thread', or sync 'none' or 'sync'",
        )
    if len({(device.type, device.index or 0) for device in devices}) > 1:
        raise InputError(
            f"stream.sync = {sync!r} needs both stages on one GPU; they are on {devices[0]} and {devices[1]}",
            "place both on one GPU, or use sync 'none' or 'sync'",
        )


def decoder_stream(config: Config, placement: Placement) -> torch.cuda.Stream | None:
    """The engine's own CUDA stream for its decoder under ``stream.sync`` event and phase; None = the current stream."""
    return torch.cuda.Stream(placement.decoder_device) if config.stream.sync in ("event", "phase") else None


class DecoderStream:
    """One request's use of the decoder's own CUDA stream. Code generation stays on its thread's current stream."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        # Weights may still be being copied on the stream that loads them.
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        self._source: torch.cuda.Stream | None = None

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Work queued inside goes to this stream."""
        with torch.cuda.stream(self.stream):
            yield

    def receive(self, handed: DeviceCodes) -> Tensor:
        """The codes (n, Q) on the device; what this stream does next waits for them."""
        self.stream.wait_event(handed.event)
        # The allocator must not reuse their memory before this stream has read it.
        handed.codes.record_stream(self.stream)
        self._source = handed.stream
        return handed.codes

    def wait_for_source(self) -> None:
        """What this stream does next waits for all that code generation has queued so far."""
        if self._source is not None:
            self.stream.wait_stream(self._source)
