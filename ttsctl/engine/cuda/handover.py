"""Codes from code generation to the decoder on one GPU: with a CUDA event, and on the decoder's own stream."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.cuda.host_copy import copy_to_host
from ttsctl.engine.placement import Placement


@dataclass(frozen=True, eq=False)
class DeviceCodes:
    """Codes (n, Q) int64 on the device, the event after which they are complete, and the stream that computes them."""

    codes: Tensor
    event: torch.cuda.Event
    stream: torch.cuda.Stream

    def on_host(self) -> CodeArray:
        """The codes on the host; waits for them."""
        with torch.cuda.stream(self.stream):
            return copy_to_host(self.codes).read()


def stays_on_device(config: Config, placement: Placement) -> bool:
    """Whether codes go to the decoder without the host: both stages in one process on one GPU, and no ``sync`` sync.

    So decoding can be queued before the host has seen the codes.
    """
    return config.stream.overlap != "process" and config.stream.sync != "sync" and _one_gpu(placement)


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
            "use overlap 'thread', or sync 'none' or 'sync'",
        )
    if config.stream.overlap == "none":
        raise InputError(
            f"stream.sync = {sync!r} with stream.overlap = 'none': the stages take turns, so none has to wait",
            "use overlap 'thread', or sync 'none' or 'sync'",
        )
    if not _one_gpu(placement):
        raise InputError(
            f"stream.sync = {sync!r} needs both stages on one GPU; they are on {devices[0]} and {devices[1]}",
            "place both on one GPU, or use sync 'none' or 'sync'",
        )


def _one_gpu(placement: Placement) -> bool:
    codegen, decoder = placement.codegen_device, placement.decoder_device
    # "cuda" without a number is the first.
    return codegen.type == decoder.type == "cuda" and (codegen.index or 0) == (decoder.index or 0)


def decoder_stream(placement: Placement) -> torch.cuda.Stream | None:
    """A CUDA stream of the decoder's own; None on the CPU. Call it once the weights are queued on the current stream.

    Work on it waits for them. Everything that the decoder makes and reads is made on it, so that memory given back is
    not taken again by another stream while it is in use.
    """
    device = placement.decoder_device
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def on_stream(stream: torch.cuda.Stream | None) -> contextlib.AbstractContextManager[object]:
    """Work queued inside goes to this stream; None = to the current one."""
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)


class CodesReceiver:
    """Takes one request's codes over to the decoder's stream. Code generation stays on its thread's current stream."""

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self._source: torch.cuda.Stream | None = None

    def receive(self, handed: DeviceCodes) -> Tensor:
        """The codes (n, Q) on the device; what the decoder's stream does next waits for them."""
        self.stream.wait_event(handed.event)
        # The allocator must not reuse their memory before this stream has read it.
        handed.codes.record_stream(self.stream)
        self._source = handed.stream
        return handed.codes

    def wait_for_source(self) -> None:
        """What the decoder's stream does next waits for all that code generation has queued so far."""
        if self._source is not None:
            self.stream.wait_stream(self._source)
