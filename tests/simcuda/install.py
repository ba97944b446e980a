"""Puts the simulated device into torch, for the rest of the process. Call it before ttsctl's engine is imported."""

from __future__ import annotations

import queue
import threading
from types import SimpleNamespace
from typing import Any

import torch

from tests.simcuda import clocks, graph
from tests.simcuda.device import PINNED, SimGenerator, Simulated, checked_draw, checked_read, recorded_on
from tests.simcuda.findings import FOUND
from tests.simcuda.guard import install_guard
from tests.simcuda.memory import key_of


def before_the_engine() -> None:
    """What must be in place when the engine's modules are imported; the CPU still works as ever."""
    # A wrapper of an inference tensor is not possible, and the engine's decorators take what they find.
    torch.inference_mode = torch.no_grad  # type: ignore[misc, assignment]
    queue.SimpleQueue = clocks.ClockedQueue  # type: ignore[misc, assignment]
    threading.Condition = clocks.ClockedCondition  # type: ignore[misc]


def install() -> None:
    """From here on ``cuda:0`` is there."""
    install_guard()
    torch._C._set_only_lift_cpu_tensors(True)
    _replace_cuda()
    _replace_methods()
    _follow_threads()
    Simulated().__enter__()  # type: ignore[no-untyped-call]


def _replace_cuda() -> None:
    cuda: Any = torch.cuda
    answers: dict[str, Any] = {
        "is_available": True,
        "is_initialized": True,
        "device_count": 1,
        "current_device": 0,
        "get_device_name": "a simulated device",
        "get_device_capability": (9, 0),
        "is_bf16_supported": True,
        "max_memory_allocated": 0,
        "max_memory_reserved": 0,
        "memory_allocated": 0,
        "reset_peak_memory_stats": None,
        "empty_cache": None,
        "graph_pool_handle": (0, 0),
        "is_current_stream_capturing": False,
        "get_sync_debug_mode": 0,
    }
    for name, answer in answers.items():
        setattr(cuda, name, lambda *_, answer=answer, **__: answer)
    properties = SimpleNamespace(name="a simulated device", total_memory=80 * 2**30, multi_processor_count=132)
    cuda.get_device_properties = lambda *_: properties
    cuda.Stream, cuda.Event, cuda.stream = clocks.Stream, clocks.Event, clocks.use_stream
    cuda.current_stream = lambda *_: clocks.current()
    cuda.default_stream = lambda *_: clocks.DEFAULT
    cuda.synchronize = clocks.synchronize
    cuda.set_sync_debug_mode = _set_sync_debug_mode
    cuda.CUDAGraph, cuda.graph = graph.SimGraph, graph.capture


def _set_sync_debug_mode(mode: int | str) -> None:
    FOUND.refuse_waits = mode in (2, "error")


def _replace_methods() -> None:
    tensor: Any = torch.Tensor
    tensor.record_stream = recorded_on
    tensor.is_pinned = lambda self, *_: PINNED.holds(self)
    for name in ("numpy", "tolist", "item"):
        setattr(tensor, name, checked_read(getattr(tensor, name)))
    for name in ("exponential_", "uniform_", "normal_", "multinomial", "bernoulli_", "random_"):
        setattr(tensor, name, checked_draw(getattr(tensor, name)))
    tensor.pin_memory = _pinned
    torch.Generator = SimGenerator  # type: ignore[misc]


def _pinned(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    copy = tensor.clone()
    PINNED.add(key_of(copy), copy)
    return copy


def _follow_threads() -> None:
    """The dispatch mode belongs to a thread, and a thread's clock begins where it was started and ends where joined."""
    thread: Any = threading.Thread
    start, run, join = thread.start, thread.run, thread.join

    def started(self: Any) -> None:
        self.clock = clocks.host().copy()
        start(self)

    def running(self: Any) -> None:
        torch._C._set_only_lift_cpu_tensors(True)
        clocks.host().merge(self.clock)
        with Simulated():  # type: ignore[no-untyped-call]
            run(self)
        self.clock = clocks.host().copy()

    def joined(self: Any, timeout: float | None = None) -> None:
        join(self, timeout)
        if not self.is_alive():
            clocks.host().merge(self.clock)

    thread.start, thread.run, thread.join = started, running, joined
