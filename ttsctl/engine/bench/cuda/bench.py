"""``bench cuda``: every check and figure, one after another; what fails does not keep the others from being made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from ttsctl.core.config import Config
from ttsctl.core.cuda_results import CudaBench, CudaCheck, CudaFigure
from ttsctl.core.errors import InputError, TtsctlError, error_line
from ttsctl.core.machine import collect_provenance
from ttsctl.engine.bench.cuda import checks, figures, kernel_check, planted
from ttsctl.engine.bench.cuda.checks import CheckFailed, CheckSkipped
from ttsctl.engine.bench.cuda.subject import Plan, Subject
from ttsctl.engine.placement import place, read_back, refuse_unavailable
from ttsctl.engine.provenance import with_threads
from ttsctl.engine.switches import set_workspace

Check = Callable[[Subject], str]
# Of the device, once; then of every size.
ONCE: dict[str, Check] = {
    "cuda tests": checks.run_cuda_tests,
    "codes of the CPU": checks.give_the_cpus_codes,
    "missing event noticed": planted.notice_a_missing_event,
    "reused output noticed": planted.notice_a_reused_output,
}
EACH: dict[str, Check] = {
    "kernels as their twins": kernel_check.give_the_twins_values,
    "frames wait for nothing": checks.wait_for_nothing,
    "frozen position noticed": planted.notice_a_frozen_position,
    "one hash": checks.hold_one_hash,
    "batch": checks.ignore_the_batch,
}


def bench_cuda(config: Config, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> CudaBench:
    """All checks, then the times. ``tell`` is called before each with its name. InputError without a CUDA device."""
    refuse_unavailable(config)
    placement = place(config)
    device = placement.codegen_device
    if device.type != "cuda":
        raise InputError(f"bench cuda: code generation is on {device}", "run it where a CUDA device is")
    set_workspace(config)
    made = list(_checks(config, plan, device, tell))
    measured: list[CudaFigure] = []
    if plan.times:
        for size in plan.sizes:
            subject = Subject(size, config, replace(plan, sizes=(size,)), device)
            made.append(_made("times", size, lambda one: _measure(one, measured), subject, tell))
    return CudaBench(
        device=torch.cuda.get_device_name(device),
        simulated=not hasattr(torch._C, "_cuda_getDeviceCount"),
        checks=tuple(made),
        figures=tuple(measured),
        in_force=read_back(placement),
        provenance=with_threads(collect_provenance()),
    )


def _checks(config: Config, plan: Plan, device: torch.device, tell: Callable[[str], None]) -> Iterator[CudaCheck]:
    first = Subject(plan.sizes[0], config, plan, device)
    for name, check in ONCE.items():
        yield _made(name, None, check, first, tell)
    for size in plan.sizes:
        subject = first if size == first.size else Subject(size, config, plan, device)
        for name, check in EACH.items():
            yield _made(name, size, check, subject, tell)


def _made(name: str, size: str | None, check: Check, subject: Subject, tell: Callable[[str], None]) -> CudaCheck:
    """The check's outcome; whatever it raises is a failure of it."""
    tell(name if size is None else f"{name}, {size}")
    started = time.perf_counter()
    try:
        outcome, found = "pass", check(subject)
    except CheckSkipped as reason:
        outcome, found = "skipped", str(reason)
    except (CheckFailed, TtsctlError) as error:
        outcome, found = "fail", str(error)
    except Exception as error:  # noqa: BLE001  whatever went wrong on the device is this check's failure
        outcome, found = "fail", error_line(error)
    return CudaCheck(name, size, outcome, found, time.perf_counter() - started)  # type: ignore[arg-type]


def _measure(subject: Subject, measured: list[CudaFigure]) -> str:
    """All figures of a size, into ``measured`` as they come, so that those before a failure are kept."""
    before = len(measured)
    measured.extend(figures.measure(subject))
    return f"{len(measured) - before} figures"
