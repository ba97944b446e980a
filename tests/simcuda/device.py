"""The simulated tensor and what happens when an operation gets one: CUDA's rules, then the CPU's arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.simcuda import memory
from tests.simcuda.clocks import LOCAL, current, host
from tests.simcuda.findings import FOUND
from ttsctl.engine.cuda.arguments import consists_of_others, leaves, mapped

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
COPIES = frozenset(("aten::_to_copy", "aten::copy_"))
INDEXING = frozenset(("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"))
WAITING = frozenset(("aten::equal", "aten::allclose", "aten::is_nonzero", "aten::item"))
TO_LIST = Tensor.tolist
VIEWS = frozenset(("aten::_unsafe_view", "aten::detach", "aten::alias", "aten::lift_fresh"))


class SimTensor(Tensor):
    """A tensor of device ``cuda:0`` whose values are the CPU tensor ``held``."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, values: Tensor) -> SimTensor:
        made: SimTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=CUDA,
            requires_grad=False,
        )
        return made

    def __init__(self, values: Tensor) -> None:
        self.held = values
        self._key = memory.hold(values)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"SimTensor({self.held!r})"

    def __del__(self) -> None:
        key = getattr(self, "_key", None)
        # At the interpreter's end modules are gone before the last tensors.
        if key is not None and memory is not None and memory.HOLDERS is not None:
            memory.release(key)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return dispatch(func, args, kwargs or {})


class Simulated(TorchDispatchMode):
    """In force in every thread of the process: catches what makes a tensor on the device out of none."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import its compiler (seconds) to keep it away from this class.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


def real(value: Any) -> Any:
    """The CPU values of a simulated tensor; anything else as it is."""
    return value.held if isinstance(value, SimTensor) else value


def dispatch(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """One operation, on simulated tensors or not."""
    if consists_of_others(function):
        with Simulated():  # type: ignore[no-untyped-call]
            out = function.decompose(*args, **kwargs)
        if out is not NotImplemented:
            return out
    flat = leaves((args, kwargs))
    simulated = [value for value in flat if isinstance(value, SimTensor)]
    plain = [value for value in flat if isinstance(value, Tensor) and not isinstance(value, SimTensor)]
    device = kwargs.get("device")
    to_device = device is not None and torch.device(device).type == "cuda"
    if not simulated and not to_device:
        return _on_the_host(function, args, kwargs, plain)
    out = _on_the_device(function, args, kwargs, simulated, plain)
    recording = getattr(LOCAL, "recording", None)
    if recording is not None:
        recording.add(function, args, kwargs, out)
    return out


def _on_the_host(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], plain: list[Tensor]) -> Any:
    for value in plain:
        memory.host_reads(value)
    pinned = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    out = function(*args, **pinned)
    if kwargs.get("pin_memory"):
        PINNED.add(memory.key_of(out), out)
    return out


class Pinned:
    """Host memory that copies may use without the host's waiting."""

    def __init__(self) -> None:
        # The tensors are kept, so that no other memory gets their key.
        self._kept: dict[int, Tensor] = {}

    def add(self, key: int, values: Tensor) -> None:
        self._kept[key] = values

    def holds(self, values: Tensor) -> bool:
        return memory.key_of(values) in self._kept


PINNED = Pinned()


def _on_the_device(
    function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], simulated: list[SimTensor], plain: list[Tensor]
) -> Any:
    name = function._schema.name
    if name in COPIES:
        copied = _copy_between(function, args, kwargs)
        if copied is not None:
            return copied
    _check_operands(name, plain)
    if _waits(function, args):
        FOUND.wait(name)
        host().merge(current().clock)
    on_cpu = {key: CPU if key == "device" else real(value) for key, value in kwargs.items() if key != "pin_memory"}
    out = function(*mapped(real, args), **mapped(real, on_cpu))
    return _wrapped(function, args, kwargs, simulated, out)


def _wrapped(
    function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], simulated: list[SimTensor], out: Any
) -> Any:
    """The results on the device, and the launch noted; an operand that was written is returned as itself."""
    name = function._schema.name
    written: list[SimTensor] = []
    for at, argument in _written_arguments(function):
        value = kwargs.get(argument, args[at] if at < len(args) else None)
        written += [leaf for leaf in leaves(value) if isinstance(leaf, SimTensor)]
    by_values = {id(tensor.held): tensor for tensor in written}

    def wrap(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        known = by_values.get(id(value))
        return SimTensor(value) if known is None else known

    result = mapped(wrap, out)
    if _is_view(function) or name.startswith(("aten::empty", "aten::new_empty")):
        return result
    made = [leaf.held for leaf in leaves(result) if isinstance(leaf, SimTensor)]
    FOUND.launched(name, [tuple(tensor.shape) for tensor in simulated])
    memory.launch([tensor.held for tensor in simulated], [t.held for t in written] if written else made, name)
    return result


def _check_operands(name: str, plain: list[Tensor]) -> None:
    for value in plain:
        if value.dim() > 0 and name in INDEXING:
            FOUND.wait(f"{name} with an index on the host")
        elif value.dim() > 0:
            FOUND.problem(f"mixed devices in {name}: {tuple(value.shape)} is on the host")


def _waits(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether the host must wait for values, as for a result whose shape depends on them."""
    name = function._schema.name
    tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
    if name in INDEXING:
        return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return name in WAITING or bool(tags & set(function.tags))


def _copy_between(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """A copy from host to device or back; None for any other copy. Only pinned memory is copied without a wait."""
    if function._schema.name == "aten::copy_":
        target, source = args[0], args[1]
        if isinstance(target, SimTensor) == isinstance(source, SimTensor):
            return None
        alone = args[2] if len(args) > 2 else kwargs.get("non_blocking", False)
        if isinstance(target, SimTensor):
            memory.host_reads(source)
            target.held.copy_(source)
            _copied([], [target.held], "a copy to the device", alone and (source.dim() == 0 or PINNED.holds(source)))
        else:
            target.copy_(source.held)
            _copied([source.held], [], "a copy to the host", alone and PINNED.holds(target))
            if alone:
                memory.copy_to_host(target)
        return target
    source, device = args[0], kwargs.get("device")
    on_device = isinstance(source, SimTensor)
    to_device = on_device if device is None else torch.device(device).type == "cuda"
    if on_device == to_device:
        return None
    alone = kwargs.get("non_blocking", False)
    made = function(real(source), **{**kwargs, "device": CPU})
    if made.untyped_storage()._cdata == real(source).untyped_storage()._cdata:
        made = made.clone()
    if on_device:
        _copied([source.held], [], "a copy to the host", alone)
        if alone:
            memory.copy_to_host(made)
        return made
    memory.host_reads(source)
    result = SimTensor(made)
    _copied([], [made], "a copy to the device", alone and PINNED.holds(source))
    return result


def _copied(reads: list[Tensor], writes: list[Tensor], what: str, alone: bool) -> None:
    memory.launch(reads, writes, what)
    if not alone:
        FOUND.wait(what)
        host().merge(current().clock)


@cache
def _written_arguments(function: Any) -> tuple[tuple[int, str], ...]:
    """Position and name of the arguments that an operation writes."""
    arguments = enumerate(function._schema.arguments)
    return tuple((at, a.name) for at, a in arguments if a.alias_info is not None and a.alias_info.is_write)


@cache
def _is_view(function: Any) -> bool:
    if function._schema.name in VIEWS:
        return True
    returns = function._schema.returns
    return any(value.alias_info is not None and not value.alias_info.is_write for value in returns)


class SimGenerator(torch.Generator):
    """In place of ``torch.Generator``: it draws the CPU's numbers and knows the device that it was made for."""

    def __new__(cls, device: Any = "cpu") -> SimGenerator:
        return super().__new__(cls)

    def __init__(self, device: Any = "cpu") -> None:
        self.simulated_device = torch.device(device)


def checked_draw(draw: Callable[..., Any]) -> Callable[..., Any]:
    """A method that draws; its generator must be of the tensor's device. (An operation no longer knows whose.)"""

    def checked(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        generator = kwargs.get("generator")
        if isinstance(generator, SimGenerator) and generator.simulated_device.type != tensor.device.type:
            FOUND.problem(f"a generator on {generator.simulated_device} for {draw.__name__} on {tensor.device}")
        return draw(tensor, *args, **kwargs)

    return checked


def recorded_on(tensor: Any, stream: Any) -> None:
    """In place of ``Tensor.record_stream``."""
    if isinstance(tensor, SimTensor):
        memory.piece_of(tensor.held).recorded.add(stream.name)


def checked_read(read: Callable[..., Any]) -> Callable[..., Any]:
    """A method that hands out host memory, which must not be waiting for a copy."""

    def checked(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(tensor, SimTensor):
            memory.host_reads(tensor)
        elif read is TO_LIST:
            tensor = tensor.cpu()
        return read(tensor, *args, **kwargs)

    return checked
