"""Judges what was found about torch: versions, device, kernels, switches, checkpoint and threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ttsctl.core.checkup import ConvolutionFound, ThreadsFound, TorchFound
from ttsctl.core.config import Config
from ttsctl.doctor.check import Check, failure, ok, warning
from ttsctl.doctor.load import usable_cores
from ttsctl.doctor.torch_process import TorchCheckup

REINSTALL = "pip install --force-reinstall torch, in a build for this machine"
# Threads must win or lose by more than repeated timings of one machine differ.
CLEAR_GAIN = 1.05
CLEAR_LOSS = 1.10


def judge_torch(checkup: TorchCheckup, config: Config) -> list[Check]:
    """All checks of this file, in the order of the table."""
    if checkup.torch is None:
        return [failure("torch", checkup.reasons["torch"], REINSTALL)]
    return [
        ok("torch", f"{checkup.torch.torch}, {_build(checkup.torch)}"),
        judge_gpu(checkup.torch),
        judge_library(checkup.torch),
        *judge_convolutions(checkup),
        *judge_switches(checkup, config),
        judge_checkpoint(checkup, config),
        judge_threads(checkup),
    ]


def _build(found: TorchFound) -> str:
    return "built for CPUs" if found.cuda is None else f"built for CUDA {found.cuda}"


def judge_gpu(found: TorchFound) -> Check:
    """No GPU is no failure; a GPU that torch cannot use is a warning."""
    driver = f", driver {found.driver}" if found.driver else ""
    if found.gpus:
        return ok("gpu", ", ".join(found.gpus) + driver)
    if found.driver and found.cuda is None:
        return warning("gpu", f"there is one{driver}, but torch is built for CPUs", "install torch's CUDA build")
    if found.driver:
        advice = "update the driver, or install a torch build for its CUDA version"
        return warning("gpu", f"there is one{driver}, but torch cannot use it", advice)
    return ok("gpu", "none: everything runs on the CPU")


def judge_library(found: TorchFound) -> Check:
    """The library that convolutions should go to."""
    if found.gpus:
        if found.cudnn is None:
            return failure("cudnn", "torch cannot load it", REINSTALL)
        return ok("cudnn", f"version {found.cudnn}")
    if not found.mkldnn:
        return warning("onednn", "this torch is built without it: convolutions are slow", REINSTALL)
    return ok("onednn", "built in")


def judge_convolutions(checkup: TorchCheckup) -> Iterator[Check]:
    """Each convolution with the kernels that ran. One that the device's library did not compute is slow."""
    if checkup.convolutions is None:
        yield failure("convolutions", checkup.reasons["convolutions"], REINSTALL)
        return
    for convolution in checkup.convolutions:
        yield judge_convolution(convolution, checkup.in_force or {})


def judge_convolution(convolution: ConvolutionFound, in_force: dict[str, Any]) -> Check:
    """``in_force``: the switches, because a library that is switched off is not missing."""
    name = f"{convolution.operation} on {convolution.device}"
    kernels = ", ".join(convolution.kernels) or convolution.reason or "no kernel was seen"
    if convolution.library is None:
        return warning(name, kernels, "compare runs of this machine only with each other")
    found = f"{convolution.library}: {kernels}"
    if convolution.library != "torch":
        return ok(name, found)
    if convolution.device == "cpu" and not in_force.get("mkldnn", True):
        return warning(name, found, "oneDNN is switched off: unset backend.mkldnn unless you test it")
    return warning(name, found, "neither cuDNN nor oneDNN computes this: expect a slow decoder")


def judge_switches(checkup: TorchCheckup, config: Config) -> Iterator[Check]:
    """The flags in force, and those that let codes differ from one run to the next."""
    flags = checkup.in_force
    if flags is None:
        yield failure("flags", checkup.reasons["in_force"], "change the settings that it names")
        return
    shown = ", ".join(f"{key} {_show(value)}" for key, value in sorted(flags.items()))
    on_cuda = any(str(flags[key]).startswith("cuda") for key in ("codegen_device", "decoder_device"))
    if on_cuda and flags["cudnn_benchmark"]:
        advice = "set determinism.level = 'soft', unless speed matters more than equal bits"
        yield warning("flags", f"{shown}; cudnn_benchmark picks kernels by time, so bits may change", advice)
    else:
        yield ok("flags", f"determinism {config.determinism.level}: {shown}")


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "unset" if value is None else str(value)


def judge_checkpoint(checkup: TorchCheckup, config: Config) -> Check:
    """Both networks were read, with every tensor in its place."""
    found = checkup.checkpoint
    if found is None:
        return failure("checkpoint", checkup.reasons["checkpoint"], "give another with --checkpoint, or copy it again")
    size = f"{found.parameters / 1e6:.1f} M parameters in {found.read_s:.1f} s"
    return ok("checkpoint", f"{found.name} ({found.model_type}), {size}, sha256 {found.sha256[:12]}…")


def judge_threads(checkup: TorchCheckup) -> Check:
    """Whether the thread count in force is the fastest of those that were timed, and whether a second one helps."""
    found = checkup.threads
    if found is None:
        reason = checkup.reasons["threads"]
        if "not on the CPU" in reason:
            return ok("threads", reason)
        return warning("threads", f"not timed: {reason}", "mend what stands above first")
    return judge_thread_times(found, usable_cores())


def judge_thread_times(found: ThreadsFound, cores: int) -> Check:
    """As ``judge_threads``, of times; more threads than ``cores`` wait for each other."""
    times = {int(count): ms for count, ms in found.frame_ms.items()}
    shown = ", ".join(f"{count}: {ms:.1f} ms a frame" for count, ms in sorted(times.items()))
    if len(times) == 1:
        return ok("threads", f"{shown}; there is only one core")
    best = min(times, key=lambda count: times[count])
    gain = times[1] / times[2]
    helps = "helps" if gain > CLEAR_GAIN else "does not help"
    line = f"{found.chosen} in force; {shown}; a second one {helps} ({gain:.2f} ×)"
    if found.chosen > cores:
        return warning("threads", f"{line}; only {cores} cores may be used", f"set backend.threads = {best}")
    if times[found.chosen] > CLEAR_LOSS * times[best]:
        return warning("threads", line, f"set backend.threads = {best}, or free the machine")
    return ok("threads", line)
