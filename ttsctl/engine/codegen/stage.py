"""Code generation as a stage of a stream: a request in, packets of codes out, then their end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.request import Request
from ttsctl.core.trace import Draws, Prints
from ttsctl.engine.codegen.company import company_of
from ttsctl.engine.codegen.generator import CodeGenerator, Generation
from ttsctl.engine.codegen.sampling import SamplingPlan, drawn_seed, new_generator
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.cuda.handover import DeviceCodes, stays_on_device, with_event
from ttsctl.engine.cuda.host_copy import copy_to_host
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.switches import InForce, describe_switches, snapshot
from ttsctl.engine.voice.voices import Voices


@dataclass(frozen=True)
class Clock:
    """Milliseconds since a request began, the same in every thread and process that works for the request.

    ``time.monotonic`` and not ``perf_counter``: Python promises that it is one clock for the whole system (since 3.5),
    so a worker process can go on counting from the ``started_ns`` that it was sent.
    """

    started_ns: int

    @classmethod
    def start(cls) -> Clock:
        return cls(time.monotonic_ns())

    def now_ms(self) -> float:
        return (time.monotonic_ns() - self.started_ns) / 1e6


@dataclass(frozen=True, eq=False)
class CodePacket:
    """Up to ``packet_tokens`` frames: (n, Q) int64 on the host or, where a CUDA event carries them, on the device.

    ``code_ms`` is the time it took to generate them, without the wait for a permit; ``ready_ms`` counts from the
    request to the moment they were handed over. On the device both mean that the work is queued, not that it is done.
    """

    codes: CodeArray | DeviceCodes
    code_ms: float
    ready_ms: float

    def on_host(self) -> CodeArray:
        """The codes (n, Q) int64 on the host; waits for the device if they are still there."""
        return self.codes.on_host() if isinstance(self.codes, DeviceCodes) else self.codes


@dataclass(frozen=True, eq=False)
class CodeEnd:
    """After the last packet: how code generation ended, and what its probes recorded."""

    frames: int
    truncated: bool
    seed: int | None
    notes: tuple[str, ...]
    draws: Draws
    prints: Prints


class Permit(Protocol):
    """The back-pressure on code generation. Both methods raise ``Stopped`` once the consumer has closed the stream."""

    def wait_for(self, packet: int) -> None:
        """Return when code generation may begin this packet, counted from 0."""
        ...

    def check(self) -> None:
        """Called before every frame."""
        ...


class Stopped(Exception):
    """The consumer has closed the stream."""


class NoLimit:
    """The permit of a source that generates a packet only when it is asked for one."""

    def wait_for(self, packet: int) -> None:
        pass

    def check(self) -> None:
        pass


@dataclass(frozen=True)
class CodegenStage:
    """Weights and plan of code generation; holds no request. ``pool``: the threads of its products on a CPU."""

    generator: CodeGenerator
    plan: SamplingPlan
    config: Config
    placement: Placement
    in_force: InForce
    voices: Voices
    pool: RowPool

    def describe(self) -> dict[str, object]:
        """What is in force, read back: the switches, and what was captured. Call it inside ``in_force``."""
        graphs = self.generator.graphs
        found = describe_switches(snapshot()) | {"threads": self.pool.threads}
        return found if graphs is None else {**found, "codegen_graphs": graphs.describe()}

    def begin(self, request: Request, probes: CodegenProbes | None = None) -> tuple[Generation, int | None]:
        """A request's state before its first draw, and the seed of its draws (None if nothing is drawn).

        A cloned voice whose request has no prompt yet is read or encoded first.
        """
        request = self.voices.prompted(request, probes)
        sampling = self.config.sampling
        seed = drawn_seed(sampling, request)
        generator = new_generator(sampling, seed, self.placement.codegen_device)
        company = company_of(request, self.config.engine.batch - 1)
        return self.generator.begin(request, self.plan, seed, generator, probes, company), seed

    def packets(
        self, request: Request, clock: Clock, probes: CodegenProbes, permit: Permit
    ) -> Iterator[CodePacket | CodeEnd]:
        """Packets of ``stream.packet_tokens`` frames, then CodeEnd. The first ``code_ms`` begins with the request."""
        since = 0.0
        permit.check()
        generation, seed = self.begin(request, probes)
        packets = self.generator.packets(generation, self.config.stream.packet_tokens, permit.check)
        for index, packet in enumerate(packets, 1):
            codes = self._hand_over(packet)
            ready = clock.now_ms()
            yield CodePacket(codes, ready - since, ready)
            permit.wait_for(index)
            # Time spent waiting, or spent by the consumer, is not code generation's.
            since = clock.now_ms()
        draws, prints = probes.finish()
        notes = (*generation.prompt.notes, *_graph_notes(generation))
        yield CodeEnd(generation.frames, generation.truncated, seed, notes, draws, prints)

    def _hand_over(self, codes: Tensor) -> CodeArray | DeviceCodes:
        if stays_on_device(self.config, self.placement):
            return with_event(codes)
        host: CodeArray = copy_to_host(codes).read()
        if self.config.stream.sync == "sync" and codes.is_cuda:
            torch.cuda.synchronize(codes.device)
        return host


def _graph_notes(generation: Generation) -> tuple[str, ...]:
    """How many frames ran eagerly although graphs were captured, and why."""
    if generation.eager_because is None:
        return ()
    return (f"graphs: {generation.frames} frames ran eagerly: {generation.eager_because}",)
