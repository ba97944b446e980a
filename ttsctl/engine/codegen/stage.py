"""Code generation as a stage of a stream: a request in, packets of codes out, then their end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.request import Request
from ttsctl.core.trace import Draws, Prints
from ttsctl.engine.clock import Clock
from ttsctl.engine.codegen.generator import CodeGenerator, Generation
from ttsctl.engine.codegen.sampling import SamplingPlan, new_generator, request_seed
from ttsctl.engine.cuda_handover import DeviceCodes, device_codes
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import CodegenTaps
from ttsctl.engine.switches import InForce


@dataclass(frozen=True, eq=False)
class CodePacket:
    """Up to ``packet_tokens`` frames: (n, Q) int64 on the host or, where a CUDA event carries them, on the device.

    ``code_ms`` is the time it took to generate them, without waiting for leave to begin; ``ready_ms`` counts from the
    request to the moment they were handed over. On the device both mean that the work is queued, not that it is done.
    """

    codes: CodeArray | DeviceCodes
    code_ms: float
    ready_ms: float


@dataclass(frozen=True, eq=False)
class CodeEnd:
    """After the last packet: how code generation ended, and what its taps saw."""

    frames: int
    truncated: bool
    seed: int | None
    notes: tuple[str, ...]
    draws: Draws
    prints: Prints


class Leave(Protocol):
    """Who code generation asks before it goes on. Both raise ``Stopped`` once nobody wants the codes any more."""

    def wait_for(self, packet: int) -> None:
        """Come back when this packet, counted from 0, may be begun."""
        ...

    def check(self) -> None:
        """Asked before every frame."""
        ...


class Stopped(Exception):
    """The consumer has closed the stream."""


class Always:
    """Leave for one who generates only when asked to."""

    def wait_for(self, packet: int) -> None:
        pass

    def check(self) -> None:
        pass


@dataclass(frozen=True)
class CodegenStage:
    """Weights and plan of code generation; holds no request."""

    generator: CodeGenerator
    plan: SamplingPlan
    config: Config
    placement: Placement
    in_force: InForce

    def begin(self, request: Request, taps: CodegenTaps | None = None) -> tuple[Generation, int | None]:
        """A request's state before its first draw, and the seed it draws from."""
        sampling, device = self.config.sampling, self.placement.codegen_device
        generator, seed = new_generator(sampling, request_seed(sampling, request), device)
        return self.generator.begin(request, self.plan, generator, taps), seed

    def packets(
        self, request: Request, clock: Clock, taps: CodegenTaps, leave: Leave
    ) -> Iterator[CodePacket | CodeEnd]:
        """Packets of ``stream.packet_tokens`` frames, then CodeEnd. The first ``code_ms`` begins with the request."""
        since = 0.0
        leave.check()
        generation, seed = self.begin(request, taps)
        frames, index = self.generator.frames(generation), 0
        while taken := self._take(frames, leave):
            codes = self._hand_over(taken)
            ready = clock.now_ms()
            yield CodePacket(codes, ready - since, ready)
            index += 1
            leave.wait_for(index)
            # Time spent waiting, or kept by the consumer for itself, is not code generation's.
            since = clock.now_ms()
        draws, prints = taps.finish()
        yield CodeEnd(len(generation.codes), generation.truncated, seed, generation.prompt.notes, draws, prints)

    def _take(self, frames: Iterator[Tensor], leave: Leave) -> list[Tensor]:
        """The next ``packet_tokens`` frames, or what is left."""
        taken: list[Tensor] = []
        leave.check()
        for frame in frames:
            taken.append(frame)
            if len(taken) == self.config.stream.packet_tokens:
                break
            leave.check()
        return taken

    def _hand_over(self, frames: list[Tensor]) -> CodeArray | DeviceCodes:
        codes = torch.stack(frames)
        if self.config.stream.sync in ("event", "phase"):
            return device_codes(codes)
        host: CodeArray = codes.cpu().numpy()
        if self.config.stream.sync == "sync" and codes.is_cuda:
            torch.cuda.synchronize(codes.device)
        return host


def joined(packets: list[CodeArray], num_codebooks: int) -> CodeArray:
    """All codes (T, Q) of some packets on the host; no packets are (0, Q)."""
    return np.concatenate(packets) if packets else np.empty((0, num_codebooks), np.int64)
