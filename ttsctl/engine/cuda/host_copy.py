"""Copies between the host and a device that do not make the host wait before it needs the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class HostCopy:
    """A tensor on its way to the host; ``copied`` is the event after which it is there, None if it is there now."""

    tensor: Tensor
    copied: torch.cuda.Event | None = None

    def read(self) -> NDArray[Any]:
        """Wait for the copy -> the values, in memory of the reader's own."""
        if self.copied is None:
            return self.tensor.numpy()
        self.copied.synchronize()
        # Pinned memory is scarce, and the reader may keep the array.
        return self.tensor.numpy().copy()


def copy_to_host(tensor: Tensor) -> HostCopy:
    """Queue a copy to pinned memory on the current stream. A tensor on the CPU is not copied."""
    if not tensor.is_cuda:
        return HostCopy(tensor)
    pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    pinned.copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(tensor.device))
    return HostCopy(pinned, copied)


def copy_to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The values on ``device``; to a GPU the copy is queued on the current stream. On the CPU nothing is copied."""
    host = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return host.to(device)
    pinned = torch.empty(host.shape, dtype=host.dtype, pin_memory=True).copy_(host)
    return pinned.to(device, non_blocking=True)
