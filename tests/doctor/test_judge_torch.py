"""Each finding about torch, judged: what is well is ok, and what is not has an advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ttsctl.core.checkup import CheckpointFound, ConvolutionFound, ThreadsFound, TorchFound
from ttsctl.core.config import Config
from ttsctl.doctor.judge_torch import judge_convolution, judge_gpu, judge_library, judge_thread_times, judge_torch
from ttsctl.doctor.torch_process import TorchCheckup

CPU = TorchFound("2.13.0+cpu", None, (), None, None, True)
GPU = TorchFound("2.13.0", "13.0", ("H100",), "580.1", "91900", True)
FLAGS: dict[str, object] = {"codegen_device": "cpu", "decoder_device": "cpu", "cudnn_benchmark": True, "mkldnn": True}
THREADS = ThreadsFound(4, 3, {"1": 20.0, "2": 15.0}, 2)
WELL = TorchCheckup(
    torch=CPU,
    in_force=FLAGS,
    convolutions=(ConvolutionFound("conv1d", "cpu", "oneDNN", ("convolution jit:avx2",)),),
    checkpoint=CheckpointFound("builtin", "ab" * 32, "custom_voice", 2_000_000, 0.1),
    threads=replace(THREADS, chosen=1, frame_ms={"1": 20.0, "2": 21.0}),
)


def statuses(checkup: TorchCheckup) -> dict[str, str]:
    checks = judge_torch(checkup, Config())
    assert all(check.advice for check in checks if check.status != "ok")
    return {check.name: check.status for check in checks}


def test_a_laptop_without_a_gpu_is_well() -> None:
    assert set(statuses(WELL).values()) == {"ok"}


@pytest.mark.parametrize(
    ("section", "check"),
    [("in_force", "flags"), ("convolutions", "convolutions"), ("checkpoint", "checkpoint"), ("torch", "torch")],
)
def test_a_section_that_could_not_be_had_is_a_failure(section: str, check: str) -> None:
    broken = replace(WELL, **{section: None}, reasons={section: "the process died of SIGSEGV"})
    assert statuses(broken)[check] == "failure"


def test_threads_that_could_not_be_timed_are_a_warning_on_a_cpu_only() -> None:
    assert statuses(replace(WELL, threads=None, reasons={"threads": "no checkpoint"}))["threads"] == "warning"
    reason = "RuntimeError: code generation is not on the CPU"
    assert statuses(replace(WELL, threads=None, reasons={"threads": reason}))["threads"] == "ok"


def test_a_gpu_is_used_or_the_reason_why_not_is_told() -> None:
    assert judge_gpu(GPU).status == "ok" and "H100" in judge_gpu(GPU).found
    assert judge_gpu(CPU).status == "ok"
    assert "CUDA build" in judge_gpu(replace(CPU, driver="580.1")).advice
    assert judge_gpu(replace(GPU, gpus=())).status == "warning"


def test_the_library_of_the_device_is_there() -> None:
    assert judge_library(GPU).found == "version 91900"
    assert judge_library(replace(GPU, cudnn=None)).status == "failure"
    assert judge_library(CPU).name == "onednn" and judge_library(CPU).status == "ok"
    assert judge_library(replace(CPU, mkldnn=False)).status == "warning"


def test_a_convolution_of_no_library_is_a_warning() -> None:
    fast = ConvolutionFound("conv1d", "cuda", "cuDNN", ("sm90_xmma_fprop",))
    assert judge_convolution(fast, FLAGS).status == "ok" and "sm90_xmma_fprop" in judge_convolution(fast, FLAGS).found
    slow = ConvolutionFound("conv1d", "cpu", "torch", ("aten::_slow_conv2d_forward",))
    assert judge_convolution(slow, FLAGS).status == "warning"
    assert "backend.mkldnn" in judge_convolution(slow, {**FLAGS, "mkldnn": False}).advice
    assert judge_convolution(replace(slow, library=None, kernels=(), reason="saw none"), FLAGS).found == "saw none"


def test_benchmarked_kernels_are_a_warning_where_there_is_a_gpu() -> None:
    on_gpu = replace(WELL, torch=GPU, in_force={**FLAGS, "decoder_device": "cuda:0"})
    assert statuses(on_gpu)["flags"] == "warning"
    calm = {**FLAGS, "decoder_device": "cuda:0", "cudnn_benchmark": False}
    assert statuses(replace(on_gpu, in_force=calm))["flags"] == "ok"


def test_threads_that_lose_are_a_warning() -> None:
    assert "helps (1.33 ×)" in judge_thread_times(THREADS, 2).found
    lost = judge_thread_times(replace(THREADS, frame_ms={"1": 44.0, "2": 707.0}), 2)
    assert lost.status == "warning" and "does not help" in lost.found and "backend.threads = 1" in lost.advice
    assert judge_thread_times(THREADS, 1).status == "warning", "a container may have fewer cores than its machine"
    assert judge_thread_times(replace(THREADS, frame_ms={"1": 20.0}, chosen=1), 1).status == "ok"
