"""A function of tensors as the list of operations that it issued, which can be issued again without the function.

This is what a CUDA graph is: operations with their operands, host values as they were, and memory by its address.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ttsctl.engine.cuda.arguments import consists_of_others, leaves, mapped
from ttsctl.engine.cuda.graphs import GraphFault, Outputs

HERE = __file__
TORCH = str(Path(torch.__file__).parent)
INDEXING = frozenset(("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"))


@dataclass(frozen=True)
class Result:
    """Tensor number ``index`` that the operations of a list made."""

    index: int


@dataclass(frozen=True)
class Outside:
    """Tensor number ``index`` that was there before."""

    index: int


@dataclass(frozen=True)
class Layout:
    """Where and how a tensor lies; ``address`` in bytes."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> Layout:
        return cls(tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation: its arguments, whose leaves are ``Result``, ``Outside`` or host values, and where its results go.

    ``results`` has an index for each flat result that is a new tensor, else None. ``site``: file and line that asked
    for it. ``drop``: results that no later operation needs.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int | None, ...]
    shapes: tuple[tuple[int, ...], ...]
    site: tuple[str, int]
    drop: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.function} at {shown(self.site)}"

    @property
    def operands(self) -> list[Any]:
        """The leaves of its arguments."""
        return leaves((self.args, self.kwargs))


@dataclass(frozen=True, eq=False)
class OpList:
    """The operations, weak references to the tensors that were there before, and what the function returned."""

    operations: tuple[Operation, ...]
    outside: tuple[weakref.ref[Tensor], ...]
    layouts: tuple[Layout, ...]
    outputs: tuple[Result | Outside, ...]

    def replay(self) -> Outputs:
        """Issue the operations again, on the same memory. GraphFault if some of that memory was given back."""
        outside = [self._alive(index) for index in range(len(self.outside))]
        made: dict[int, Tensor] = {}

        def value(operand: Any) -> Any:
            if isinstance(operand, Result):
                return made[operand.index]
            return outside[operand.index] if isinstance(operand, Outside) else operand

        for operation in self.operations:
            out = operation.function(*mapped(value, operation.args), **mapped(value, operation.kwargs))
            results = zip(operation.results, leaves(out), strict=True)
            made.update((index, result) for index, result in results if index is not None)
            for index in operation.drop:
                del made[index]
        return tuple(value(output) for output in self.outputs)

    def _alive(self, index: int) -> Tensor:
        tensor = self.outside[index]()
        if tensor is None:
            raise GraphFault(f"{self._user(index)} uses memory that was given back since", "keep the tensor alive")
        if Layout.of(tensor) != self.layouts[index]:
            raise GraphFault(f"{self._user(index)} uses memory that its tensor has left", "write the tensor in place")
        return tensor

    def _user(self, index: int) -> str:
        users = (o for o in self.operations if any(p == Outside(index) for p in o.operands))
        return str(next(users, "an output"))

    def difference(self, later: OpList) -> str | None:
        """How a later list of the same function differs from this one; None if a replay still does what it does."""
        for mine, theirs in zip(self.operations, later.operations, strict=False):
            operands, later_operands = mine.operands, theirs.operands
            if mine.function is not theirs.function or len(operands) != len(later_operands):
                return f"{mine} became {theirs}"
            for old, new in zip(operands, later_operands, strict=True):
                if isinstance(old, Outside) and isinstance(new, Outside):
                    same = self.layouts[old.index] == later.layouts[new.index]
                else:
                    same = _same(old, new)
                if not same and isinstance(old, Result | Outside):
                    return f"{mine}: an operand is another tensor than at capture"
                if not same:
                    return f"{mine}: the host value {old!r} became {new!r}"
            if mine.shapes != theirs.shapes:
                return f"{mine}: shapes {mine.shapes} became {theirs.shapes}"
        if len(self.operations) != len(later.operations):
            return f"{len(self.operations)} operations became {len(later.operations)}"
        return None


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and math.isnan(old):
        return isinstance(new, float) and math.isnan(new)
    return type(old) is type(new) and bool(old == new)


@dataclass(eq=False)
class Recorder:
    """Collects the operations of one run of a function."""

    operations: list[Operation] = field(default_factory=list)
    outside: list[Tensor] = field(default_factory=list)
    made: list[Tensor] = field(default_factory=list)
    # Tensors by id(), which is theirs alone because the two lists above keep them alive.
    known: dict[int, Result | Outside] = field(default_factory=dict)

    def refer(self, value: Any) -> Any:
        """An operand as it stands in the list."""
        if not isinstance(value, Tensor):
            return value
        if id(value) not in self.known:
            self.known[id(value)] = Outside(len(self.outside))
            self.outside.append(value)
        return self.known[id(value)]

    def add(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Issue an operation and note it down."""
        site = calling_line()
        _refuse(function, args, leaves((args, kwargs)), site)
        operands, named = mapped(self.refer, args), mapped(self.refer, dict(kwargs))
        out = function(*args, **kwargs)
        results = leaves(out)
        indices = tuple(self._new(value) for value in results)
        shapes = tuple(tuple(value.shape) for value in results if isinstance(value, Tensor))
        self.operations.append(Operation(function, operands, named, indices, shapes, site))
        return out

    def _new(self, value: Any) -> int | None:
        if not isinstance(value, Tensor) or id(value) in self.known:
            return None
        self.known[id(value)] = Result(len(self.made))
        self.made.append(value)
        return len(self.made) - 1

    def finish(self, outputs: Outputs) -> OpList:
        """The list, whose operations drop each result after its last use."""
        returned = tuple(self.refer(output) for output in outputs)
        last: dict[int, int] = {}
        for at, operation in enumerate(self.operations):
            used = [operand.index for operand in operation.operands if isinstance(operand, Result)]
            last.update((index, at) for index in (*used, *(i for i in operation.results if i is not None)))
        for output in returned:
            if isinstance(output, Result):
                last.pop(output.index)
        drops: dict[int, list[int]] = {}
        for index, at in last.items():
            drops.setdefault(at, []).append(index)
        operations = tuple(
            replace(operation, drop=tuple(drops.get(at, ()))) for at, operation in enumerate(self.operations)
        )
        layouts = tuple(Layout.of(tensor) for tensor in self.outside)
        return OpList(operations, tuple(weakref.ref(tensor) for tensor in self.outside), layouts, returned)


@torch.inference_mode()
def record(run: Callable[[], Outputs]) -> tuple[OpList, Outputs]:
    """Run a function -> the list of its operations, and what it returned.

    GraphFault for what a graph cannot hold (see ``_refuse``, ``HostReads``), and for a tensor that the function made
    and put aside without returning it.
    """
    recorder = Recorder()
    with HostReads(), ListOperations(recorder):
        outputs = run()
    listed = recorder.finish(outputs)
    makers = {index: operation for operation in listed.operations for index in operation.results if index is not None}
    returned = {output.index for output in listed.outputs if isinstance(output, Result)}
    made = [(index, weakref.ref(tensor)) for index, tensor in enumerate(recorder.made) if index not in returned]
    del recorder
    _refuse_escaped([makers[index] for index, tensor in made if tensor() is not None], listed)
    return listed, outputs


def _refuse_escaped(escaped: Sequence[Operation], listed: OpList) -> None:
    if escaped:
        raise GraphFault(
            f"{escaped[-1]}: its result outlives the step, in memory that the next replay writes again",
            "write it into a tensor of the state, or return it",
        )
    for index, tensor in enumerate(listed.outside):
        if tensor() is None:
            raise GraphFault(
                f"{listed._user(index)} uses a tensor made of host values inside the step", "make it once, outside"
            )


class ListOperations(TorchDispatchMode):
    """Gives every operation to a recorder, those that consist of others as these others."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler (seconds) to keep it away from this class.
        return False

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if consists_of_others(func):
            with self:
                out = func.decompose(*args, **(kwargs or {}))
            if out is not NotImplemented:
                return out
        return self._recorder.add(func, args, kwargs or {})


class HostReads(TorchFunctionMode):
    """Refuses the methods that bring values to the host, which on the CPU issue no operation."""

    READS: ClassVar[frozenset[str]] = frozenset(
        ("numpy", "cpu", "tolist", "item", "__array__", "__bool__", "__int__", "__float__", "__index__", "pin_memory")
    )

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in self.READS and args and isinstance(args[0], Tensor):
            raise GraphFault(
                f"Tensor.{name} at {shown(calling_line())}: the host waits for a value", "keep it on the device"
            )
        return func(*args, **(kwargs or {}))


def _refuse(function: Any, args: Sequence[Any], flat: Sequence[Any], site: tuple[str, int]) -> None:
    """GraphFault for an operation that waits for the device, draws from a generator, or copies between devices."""
    name, tags = function._schema.name, function.tags
    if name in INDEXING:
        # Tagged as of no fixed shape, which holds for a mask alone.
        waits = any(_is_mask(index) for index in args[1])
    else:
        waits = torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags
    if waits:
        raise GraphFault(
            f"{name} at {shown(site)}: the host waits for a value", "keep it on the device, in a fixed shape"
        )
    # Attention carries the tag for its dropout, which the engine does not use.
    seeded = torch.Tag.nondeterministic_seeded in tags and "scaled_dot_product" not in name
    if seeded or any(isinstance(value, torch.Generator) for value in flat):
        raise GraphFault(
            f"{name} at {shown(site)}: a generator's state is on the host", "draw with sampling.noise = 'philox'"
        )
    if len({value.device for value in flat if isinstance(value, Tensor) and value.dim() > 0}) > 1:
        raise GraphFault(f"{name} at {shown(site)}: a copy between devices", "make the copy outside of the step")


def _is_mask(index: object) -> bool:
    return isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8)


def calling_line() -> tuple[str, int]:
    """File and line of the innermost caller outside of torch and of this file."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (frame.f_code.co_filename == HERE or frame.f_code.co_filename.startswith(TORCH)):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def shown(site: tuple[str, int]) -> str:
    """A file and line, without the file's upper folders."""
    path = Path(site[0])
    return f"{path.parent.name}/{path.name}:{site[1]}"
