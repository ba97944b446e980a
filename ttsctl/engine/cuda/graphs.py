"""CUDA graphs behind one interface: a step is captured once and then replayed without Python.

A graph repeats the kernels of its capture on the same memory. So everything that changes from step to step must be in
tensors that the step reads in place: a host value that goes into a kernel stays what it was at capture. ``stand_in``
has the same interface on the CPU, and checks that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ttsctl.core.errors import EngineError

# Runs before a capture, so that libraries make their handles, workspaces and plans outside of it. PyTorch's manual
# ("CUDA semantics", section "CUDA Graphs") takes a few; three are its own default.
WARM_UPS = 3

Outputs = tuple[Tensor, ...]


class GraphFault(EngineError):
    """A step that cannot be a graph, or whose graph would compute something else than the step."""


@dataclass(frozen=True, eq=False)
class Step:
    """A function on fixed tensors.

    ``run`` takes no argument. It may write the tensors of ``state`` in place, and returns the tensors that it made for
    the caller. ``state`` names the tensors that the caller holds to be in use; a checked replay asks for them again.
    """

    name: str
    run: Callable[[], Outputs]
    state: Callable[[], Mapping[str, Tensor]]


class Captured(Protocol):
    """A captured step."""

    def replay(self) -> Outputs:
        """Do again what was captured. The outputs are valid until the next replay, which overwrites them."""
        ...


class GraphMaker(Protocol):
    """What captures the steps of one stage, one after another. Steps of one maker never run at the same time."""

    @property
    def kind(self) -> str:
        """What a summary calls it."""
        ...

    def capture(self, step: Step) -> Captured:
        """Capture a step. Its state is afterwards as it was before. GraphFault if the step cannot be captured."""
        ...


def saved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors of a state."""
    return {name: tensor.clone() for name, tensor in state.items()}


def restore(state: Mapping[str, Tensor], copies: Mapping[str, Tensor]) -> None:
    """Write the copies back, in place."""
    for name, tensor in state.items():
        tensor.copy_(copies[name])


@dataclass(frozen=True, eq=False)
class CudaGraph:
    """A captured CUDA graph and the tensors in its pool that its replays write."""

    graph: torch.cuda.CUDAGraph
    outputs: Outputs

    def replay(self) -> Outputs:
        self.graph.replay()
        return self.outputs


class CudaGraphs:
    """Captures with CUDA graphs. All graphs of one maker share a memory pool, so they must not run at the same time."""

    kind = "CUDA graphs"

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    @torch.inference_mode()
    def capture(self, step: Step) -> CudaGraph:
        state = step.state()
        copies = saved(state)
        caller = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                step.run()
        caller.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        try:
            # Only this thread's calls are forbidden while it captures: another stage may be at work in its own.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                outputs = step.run()
        except RuntimeError as error:
            raise GraphFault(f"{step.name}: CUDA could not capture it: {error}", "leave graphs.* false") from error
        restore(state, copies)
        return CudaGraph(graph, outputs)
