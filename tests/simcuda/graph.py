"""CUDA graphs of the simulated device: a capture lists operations, a replay issues them again into the same memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from torch.utils._pytree import tree_leaves

from tests.simcuda.clocks import LOCAL, Stream, use_stream
from tests.simcuda.device import SimTensor, dispatch


class SimGraph:
    """In place of ``torch.cuda.CUDAGraph``. Unlike a real one it also runs what it captures."""

    def __init__(self) -> None:
        self._operations: list[tuple[Any, tuple[Any, ...], Mapping[str, Any], Any]] = []

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        self._operations.append((function, args, dict(kwargs), out))

    def replay(self) -> None:
        for function, args, kwargs, out in self._operations:
            again = dispatch(function, args, kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                # A result keeps its memory; a view and what is written in place have it already.
                if isinstance(old, SimTensor) and old.values.data_ptr() != new.values.data_ptr():
                    old.values.copy_(new.values)


class capture:  # noqa: N801  in place of torch.cuda.graph, which has this name's case
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
        self._stream.__exit__(kind, error, trace)
