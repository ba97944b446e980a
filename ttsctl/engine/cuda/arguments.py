"""What stands in the nested arguments of one of torch's operations, and whether it consists of others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch


@cache
def consists_of_others(function: Any) -> bool:
    """Whether an operation has no kernel of its own. (That of SDPA chooses a kernel, on the host, by its operands.)"""
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    if function._schema.name == "aten::scaled_dot_product_attention":
        return False
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), key))


def leaves(value: Any) -> list[Any]:
    """What stands in nested lists, tuples and dicts. (torch's own pytree takes longer than the operations.)"""
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    if isinstance(value, dict):
        return leaves(list(value.values()))
    return [value]


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The same nesting of changed leaves."""
    if isinstance(value, list | tuple):
        parts = [mapped(change, part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {key: mapped(change, part) for key, part in value.items()}
    return change(value)
