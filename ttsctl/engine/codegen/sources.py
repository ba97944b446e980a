"""Where a stream's codes come from: this thread, another thread, or (in ``worker``) another process.

The consumer asks a source for packets and tells it when one is decoded. Closing the source ends code generation.
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Protocol, cast

import torch

from ttsctl.core.request import Request
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodegenStage, CodePacket, NoLimit, Stopped
from ttsctl.engine.recording.probes import CodegenProbes

# How many packets code generation may be ahead of the decoder, with the one that is being generated. With two, one is
# ready whenever the decoder is; with more, a closed stream would only throw more away.
PACKETS_AHEAD = 2
# The name of the thread or process that generates.
CODEGEN_NAME = "ttsctl-codegen"


class CodeSource(Protocol):
    """One request's codes."""

    def next(self) -> CodePacket | CodeEnd:
        """Wait for the next packet or, after the last one, CodeEnd. Raises what code generation raised."""
        ...

    def has_next(self) -> bool:
        """Whether ``next`` has something at once. It may have where this says no, and never computes it now."""
        ...

    def decoded(self) -> None:
        """Called for each packet in turn, once it is decoded, or put aside to be decoded with others."""
        ...

    def close(self) -> None:
        """End code generation and free its state. Harmless twice."""
        ...


class InlineSource:
    """Generates a packet when it is asked for one, in the thread that asks."""

    def __init__(self, stage: CodegenStage, request: Request, clock: Clock, probes: CodegenProbes) -> None:
        self._in_force = stage.in_force
        packets = stage.packets(request, clock, probes, NoLimit())
        self._packets = cast("Generator[CodePacket | CodeEnd, None, None]", packets)

    def next(self) -> CodePacket | CodeEnd:
        with self._in_force:
            return next(self._packets)

    def has_next(self) -> bool:
        return False

    def decoded(self) -> None:
        pass

    def close(self) -> None:
        self._packets.close()


class AheadSource(ABC):
    """Generates while the decoder works. The first ``prefill`` packets go in lock-step: packets 1 to ``prefill``
    begin only once the packet before them is decoded. From then on ``PACKETS_AHEAD`` bounds the lead.
    """

    def __init__(self, prefill: int) -> None:
        self._prefill = prefill
        self._taken = 0
        self._decoded = 0
        self._ended = False

    @property
    def allowed(self) -> int:
        """How many packets may be begun so far."""
        return self._decoded + 1 if self._decoded < self._prefill else self._taken + PACKETS_AHEAD

    def next(self) -> CodePacket | CodeEnd:
        item = self._receive()
        if isinstance(item, CodePacket):
            self._taken += 1
            self._allow(self.allowed)
        else:
            self._ended = True
        return item

    def decoded(self) -> None:
        self._decoded += 1
        if self._decoded <= self._prefill:
            self._allow(self.allowed)

    @abstractmethod
    def _receive(self) -> CodePacket | CodeEnd:
        """Wait for the next item."""

    @abstractmethod
    def _allow(self, packets: int) -> None:
        """Permit code generation to begin all packets below this number."""


class ThreadPermit:
    """The permit of a thread: a number of packets, which only grows, and a flag that stops it."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._stopped = False
        self._changed = threading.Condition()

    def allow(self, packets: int) -> None:
        with self._changed:
            self._allowed = packets
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def wait_for(self, packet: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or packet < self._allowed)
        self.check()

    def check(self) -> None:
        if self._stopped:
            raise Stopped


_Item = CodePacket | CodeEnd | BaseException


class ThreadSource(AheadSource):
    """Generates in a thread of its own, which ends with the request.

    Both stages run under the same switches, which belong to the process; the thread that decodes puts them in force.
    """

    def __init__(self, stage: CodegenStage, request: Request, clock: Clock, probes: CodegenProbes) -> None:
        super().__init__(stage.config.stream.prefill_packets)
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._permit = ThreadPermit(self.allowed)
        self._thread = threading.Thread(
            target=_generate,
            args=(stage, request, clock, probes, self._permit, self._items),
            name=CODEGEN_NAME,
            daemon=True,
        )
        self._thread.start()

    def has_next(self) -> bool:
        return not self._items.empty()

    def close(self) -> None:
        self._permit.stop()
        self._thread.join()

    def _receive(self) -> CodePacket | CodeEnd:
        item = self._items.get()
        if isinstance(item, BaseException):
            try:
                raise item
            finally:
                # The error's traceback refers to this frame, so this frame must not refer to the error.
                del item
        return item

    def _allow(self, packets: int) -> None:
        self._permit.allow(packets)


def _generate(
    stage: CodegenStage,
    request: Request,
    clock: Clock,
    probes: CodegenProbes,
    permit: ThreadPermit,
    items: queue.SimpleQueue[_Item],
) -> None:
    """The thread's work: put every packet and the end, or what was raised, into the queue."""
    try:
        with torch.inference_mode(), stage.in_force:
            # The number of threads is set for each thread apart, and decides the order in which sums are formed.
            torch.set_num_threads(stage.in_force.switches.operation_threads)
            for item in stage.packets(request, clock, probes, permit):
                items.put(item)
    except Stopped:
        pass
    except BaseException as error:  # noqa: BLE001  raised again in the thread that waits
        items.put(error)
