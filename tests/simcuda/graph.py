"""CUDA graphs of the simulated device: a capture lists operations, a replay issues them again into the same memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tests.simcuda.clocks import LOCAL, Stream, current, use_stream
from tests.simcuda.device import SimTensor, dispatch
from ttsctl.engine.cuda.arguments import leaves


class SimGraph:
    """In place of ``torch.cuda.CUDAGraph``. Unlike a real one it also runs what it captures."""

    def __init__(self) -> None:
        self._operations: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], Any]] = []

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        self._operations.append((function, args, dict(kwargs), out))

    def replay(self) -> None:
        for function, args, kwargs, out in self._operations:
            again = dispatch(function, args, kwargs)
            for old, new in zip(leaves(out), leaves(again), strict=True):
                # A result keeps its memory; a view and what is written in place have it already.
                if isinstance(old, SimTensor) and old.held.data_ptr() != new.held.data_ptr():
                    old.held.copy_(new.held)


class capture:
    """In place of ``torch.cuda.graph``."""

    def __init__(
        self, graph: SimGraph, pool: Any = None, stream: Stream | None = None, capture_error_mode: str = "global"
    ) -> None:
        self._graph = graph
        self._stream = use_stream(stream)

    def __enter__(self) -> None:
        self._stream.__enter__()
        LOCAL.recording = self._graph

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        LOCAL.recording = None
        captured_on = current()
        self._stream.__exit__(kind, error, trace)
        # A real capture runs nothing, so nothing of it is ordered after what the caller does next.
        current().wait_stream(captured_on)
