"""The CPU's stand-in for CUDA graphs: it replays what a graph would replay, and checks what a graph would break.

A graph that computes something else than its step says nothing. The stand-in raises GraphFault for

* a host value that went into an operation at capture and is another one later: a graph keeps the first;
* a tensor of the state that was put in place of another: a graph goes on with the memory of the first;
* an output that is read after the next replay has overwritten it;
* a tensor made by the step that outlives it, a wait of the host, a generator: a graph cannot hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ttsctl.engine.cuda.arguments import leaves
from ttsctl.engine.cuda.graphs import WARM_UPS, CudaGraphs, GraphFault, GraphMaker, Outputs, Step, restore, saved
from ttsctl.engine.cuda.op_list import Layout, OpList, record


class Output(Tensor):
    """An output of one replay. Every use of it raises GraphFault once a later replay has overwritten it."""

    stale: str | None = None

    @classmethod
    def handed_out(cls, tensor: Tensor) -> Output:
        """The same memory, to be watched."""
        return tensor.detach().as_subclass(cls)

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for value in leaves((args, kwargs)):
            if isinstance(value, Output) and value.stale is not None:
                raise GraphFault(value.stale, "copy it before the next replay")
        # The results are plain tensors: only the output's own memory is overwritten.
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


class CheckedReplay:
    """A step as the list of operations of its capture.

    Replays number 1, 4, 16, 64, ... are checked: the step itself runs, is listed again and compared with the capture.
    If nothing differs, its results are what a replay would have given. All other replays issue the captured list.
    """

    def __init__(self, step: Step, captured: OpList, layouts: Mapping[str, Layout], checked: bool) -> None:
        self._step = step
        self._captured = captured
        self._layouts = layouts
        self._checked = checked
        self._replays = 0
        self._looks = frozenset(4**power for power in range(16))
        self._handed_out: tuple[Output, ...] = ()

    @property
    def operations(self) -> int:
        """How many operations a replay issues; views are counted too."""
        return len(self._captured.operations)

    @torch.inference_mode()
    def replay(self) -> Outputs:
        """See ``Captured.replay``. GraphFault for what a graph would break."""
        self._replays += 1
        self._overwrite()
        refuse_moved(self._step, self._layouts)
        if self._checked and self._replays in self._looks:
            outputs = self._run_and_compare()
        else:
            outputs = self._captured.replay()
        self._handed_out = tuple(Output.handed_out(tensor) for tensor in outputs)
        return self._handed_out

    def _run_and_compare(self) -> Outputs:
        again, outputs = record(self._step.run)
        refuse_difference(self._step, self._captured, again)
        return outputs

    def _overwrite(self) -> None:
        """What the replay does to the outputs of the one before it."""
        for number, output in enumerate(self._handed_out):
            output.as_subclass(Tensor).fill_(_canary(output.dtype))
            output.stale = (
                f"{self._step.name}: output {number} of replay {self._replays - 1} is read after replay {self._replays}"
            )
        self._handed_out = ()


def _canary(dtype: torch.dtype) -> float | int | bool:
    """A value that no step gives."""
    if dtype.is_floating_point:
        return float("nan")
    return True if dtype == torch.bool else torch.iinfo(dtype).min


class CheckedGraphs:
    """Captures on the CPU (see ``CheckedReplay``). ``checked`` False only replays, and freezes what a graph freezes."""

    kind = "checked stand-in on the CPU"

    def __init__(self, checked: bool = True) -> None:
        self._checked = checked

    @torch.inference_mode()
    def capture(self, step: Step) -> CheckedReplay:
        """See ``GraphMaker.capture``. The step runs ``WARM_UPS`` times, and twice more where it is listed: a host value
        that moves with the step is found here."""
        layouts = {name: Layout.of(tensor) for name, tensor in step.state().items()}
        copies = saved(step.state())
        for _ in range(WARM_UPS):
            step.run()
        captured, _ = record(step.run)
        refuse_moved(step, layouts)
        if self._checked:
            refuse_difference(step, captured, record(step.run)[0])
        restore(step.state(), copies)
        return CheckedReplay(step, captured, layouts, self._checked)


def graph_maker(device: torch.device) -> GraphMaker:
    """What captures the steps of a stage on this device."""
    return CudaGraphs(device) if device.type == "cuda" else CheckedGraphs()


def refuse_moved(step: Step, layouts: Mapping[str, Layout]) -> None:
    """GraphFault if the caller's state is no longer the memory that was captured."""
    state = step.state()
    if missing := layouts.keys() ^ state.keys():
        raise GraphFault(f"{step.name}: the state has gained or lost {sorted(missing)} since capture", "capture again")
    for name, tensor in state.items():
        if Layout.of(tensor) != layouts[name]:
            raise GraphFault(
                f"{step.name}: {name} is another tensor than at capture; a graph goes on with the memory of the first",
                "write it in place, or capture again",
            )


def refuse_difference(step: Step, captured: OpList, later: OpList) -> None:
    """GraphFault if the step now issues other operations than at capture."""
    difference = captured.difference(later)
    if difference is not None:
        raise GraphFault(
            f"{step.name}: since capture, {difference}; a graph keeps what it captured",
            "keep what changes in a tensor of the state",
        )
