"""Constants that depend on a module's parameters alone: computed when the weights are loaded, not at every call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Folded(nn.Module):
    """A module that computes with constants of its parameters.

    They are folded after ``load_state_dict``, and again at the next call if a parameter was replaced, moved, converted
    or written to since. Only a write through ``parameter.data`` in place is not noticed: call ``refold`` after one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._constants: tuple[Tensor, ...] = ()
        self._folded_of: tuple[object, ...] | None = None
        self.register_load_state_dict_post_hook(_refold)  # type: ignore[no-untyped-call]

    def fold(self) -> tuple[Tensor, ...]:
        """The constants, computed from the parameters in their dtype."""
        raise RuntimeError(f"{type(self).__name__} has no constants")

    def refold(self) -> None:
        """Compute the constants from the parameters as they are now."""
        with torch.no_grad():
            self._constants = self.fold()
        self._folded_of = self._parameters_now()

    @property
    def constants(self) -> tuple[Tensor, ...]:
        """As ``fold`` gives them, with the same bits."""
        if self._folded_of != self._parameters_now():
            self.refold()
        return self._constants

    def _parameters_now(self) -> tuple[object, ...]:
        """What is another value if a parameter may be; reads nothing on the device."""
        return tuple(
            (id(tensor), tensor.dtype, tensor.device, tensor.data_ptr(), _version(tensor))
            for tensor in self._parameters.values()
            if tensor is not None
        )


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to; tensors made in inference mode do not count it."""
    return None if tensor.is_inference() else tensor._version


def _refold(module: nn.Module, _: Any) -> None:
    """The hook after ``load_state_dict``."""
    assert isinstance(module, Folded)
    module.refold()
