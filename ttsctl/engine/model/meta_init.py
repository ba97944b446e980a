"""Builds a network without weights: on the meta device, and without drawing initial values that nobody reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)


class _NoInit(TorchFunctionMode):
    """Skips all calls of ``torch.nn.init``: on the meta device they cost seconds of imports and do nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def build_on_meta(build: Callable[[], M]) -> M:
    """``build()`` on the meta device: names and shapes without memory; every weight is still to be loaded."""
    with torch.device("meta"), _NoInit():
        return build()
