"""Which library and which kernels compute a conv1d and a transposed one, read from what ran and not from versions."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._C._autograd import DeviceType
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from ttsctl.core.checkup import ConvolutionFound

# Of the released codec's size: the first upsampling block, 8 frames long.
CHANNELS, OUTPUTS, LENGTH, KERNEL, STRIDE = 512, 256, 64, 7, 4
VERBOSE = "onednn_verbose"
# A field of a verbose line, counted from 0: marker, version, "primitive", "exec", engine, primitive, implementation.
PRIMITIVE, IMPLEMENTATION = 5, 6
# What torch calls the operation it hands to a library, and the library.
LIBRARIES = {"cudnn_conv": "cuDNN", "mkldnn_conv": "oneDNN", "slow_conv": "torch"}


def find_convolutions(device: torch.device, dtype: torch.dtype) -> list[ConvolutionFound]:
    """One conv1d and one transposed conv1d on ``device``, each run once to warm up and once watched."""
    generator = torch.Generator().manual_seed(0)

    def values(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device=device, dtype=dtype)

    x = values(1, CHANNELS, LENGTH)
    weight, transposed = values(OUTPUTS, CHANNELS, KERNEL), values(CHANNELS, OUTPUTS, 2 * STRIDE)
    calls: dict[str, Callable[[], Any]] = {
        "conv1d": lambda: F.conv1d(x, weight),
        "conv_transpose1d": lambda: F.conv_transpose1d(x, transposed, stride=STRIDE),
    }
    with torch.inference_mode():
        return [_found(name, call, device) for name, call in calls.items()]


def _found(name: str, call: Callable[[], Any], device: torch.device) -> ConvolutionFound:
    call()
    # oneDNN's own log first: the profiler has no event for its transposed convolution.
    if device.type == "cpu" and (kernels := watch_onednn(call)):
        return ConvolutionFound(name, str(device), "oneDNN", kernels)
    library, kernels = watch_operation(call, device)
    reason = None
    if library is None:
        reason = "the profiler saw no convolution of a library that is known here"
    elif not kernels:
        reason = f"{library} ran, but did not tell its kernels"
    return ConvolutionFound(name, str(device), library, kernels, reason)


def watch_operation(call: Callable[[], Any], device: torch.device) -> tuple[str | None, tuple[str, ...]]:
    """The library that torch handed the call to, None for an unknown one; and on CUDA the names of the kernels."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities) as watched:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    events = list(watched.events() or [])
    names = [str(event.name) for event in events]
    library = next((known for part, known in LIBRARIES.items() if any(part in name for name in names)), None)
    kernels = [name for name, event in zip(names, events, strict=True) if event.device_type == DeviceType.CUDA]
    if library == "torch":
        kernels = kernels or [name for name in names if "slow_conv" in name]
    return library, tuple(dict.fromkeys(kernels))


def watch_onednn(call: Callable[[], Any]) -> tuple[str, ...]:
    """The implementations of oneDNN's convolutions in this call, from its own log, such as ``jit:avx2``."""
    with _lines_on_stdout() as lines:
        verbose: Any = torch.backends.mkldnn.verbose
        with verbose(torch.backends.mkldnn.VERBOSE_ON):
            call()
    return parse_onednn(lines)


def parse_onednn(lines: list[str]) -> tuple[str, ...]:
    """``onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx2,…`` -> ``("convolution jit:avx2",)``, in order."""
    kernels = []
    for line in lines:
        fields = line.strip().split(",")
        executed = fields[0] == VERBOSE and "exec" in fields and len(fields) > IMPLEMENTATION
        if executed and "convolution" in fields[PRIMITIVE]:
            kernels.append(f"{fields[PRIMITIVE]} {fields[IMPLEMENTATION]}")
    return tuple(dict.fromkeys(kernels))


@contextmanager
def _lines_on_stdout() -> Iterator[list[str]]:
    """What native code prints inside the block, as lines; it writes to the descriptor, past Python's own stream."""
    lines: list[str] = []
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 1)
        try:
            yield lines
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            caught.seek(0)
            lines += caught.read().decode("utf-8", "replace").splitlines()
