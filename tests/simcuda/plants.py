"""Faults that the simulated device must find, each as a context in which the engine has it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from tests.simcuda.device import CPU, SimTensor
from ttsctl.engine.codegen import sampling
from ttsctl.engine.cuda import handover, host_copy


@contextlib.contextmanager
def no_wait_for_the_event() -> Iterator[None]:
    """The decoder's stream does not wait for the codes."""

    def receive(self: Any, handed: Any) -> Any:
        handed.codes.record_stream(self.stream)
        self._source = handed.stream
        return handed.codes

    with mock.patch.object(handover.CodesReceiver, "receive", receive):
        yield


@contextlib.contextmanager
def host_copy_read_at_once() -> Iterator[None]:
    """The host reads pinned memory without a wait for the copy."""
    with mock.patch.object(host_copy.HostCopy, "read", lambda copy: copy.tensor.numpy().copy()):
        yield


@contextlib.contextmanager
def id_read_in_the_frame() -> Iterator[None]:
    """Every frame looks at its first id."""
    from ttsctl.engine.codegen.frame import FrameFunction

    predict = FrameFunction.predict

    def reads(self: Any, state: Any, *args: Any, **kwargs: Any) -> None:
        int(state.code[0, 0])
        predict(self, state, *args, **kwargs)

    with mock.patch.object(FrameFunction, "predict", reads):
        yield


@contextlib.contextmanager
def generator_on_the_host() -> Iterator[None]:
    """The request's generator belongs to the CPU."""
    new = sampling.new_generator

    def on_the_host(*args: Any) -> Any:
        generator = new(*args)
        generator.simulated_device = CPU  # type: ignore[union-attr]
        return generator

    with mock.patch("ttsctl.engine.codegen.stage.new_generator", on_the_host):
        yield


@contextlib.contextmanager
def operand_on_the_host() -> Iterator[None]:
    """The talker's logits meet a mask that was left on the host."""
    from ttsctl.engine.codegen.draws import Group0Rules

    apply = Group0Rules.apply

    def mixed(self: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.reserved, SimTensor):
            self.reserved = self.reserved.held
        return apply(self, *args, **kwargs)

    with mock.patch.object(Group0Rules, "apply", mixed):
        yield


PLANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no_wait_for_the_event": no_wait_for_the_event,
    "host_copy_read_at_once": host_copy_read_at_once,
    "id_read_in_the_frame": id_read_in_the_frame,
    "generator_on_the_host": generator_on_the_host,
    "operand_on_the_host": operand_on_the_host,
}
