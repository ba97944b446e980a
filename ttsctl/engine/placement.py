"""On which device and with which dtype each stage runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.engine.switches import describe_switches, read_workspace, refuse_conflicts, snapshot

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}


@dataclass(frozen=True)
class Placement:
    """Device and dtype of each stage."""

    codegen_device: torch.device
    codegen_dtype: torch.dtype
    decoder_device: torch.device
    decoder_dtype: torch.dtype


def place(config: Config) -> Placement:
    """The devices and dtypes in force. "auto" is cuda if there is one, else cpu.

    The dtype "auto" of code generation is bfloat16 on cuda and float32 on the CPU; the decoder's is float32 everywhere,
    as bfloat16 leaves its audio an SNR of about 30 dB (``tests/engine/test_decoder_dtype.py``).

    InputError for a device that is unknown or not there.
    """
    engine = config.engine
    codegen = _device(engine.codegen_device or engine.device, "codegen_device" if engine.codegen_device else "device")
    decoder = _device(engine.decoder_device or engine.device, "decoder_device" if engine.decoder_device else "device")
    return Placement(
        codegen,
        _dtype(engine.codegen_dtype, torch.bfloat16 if codegen.type == "cuda" else torch.float32),
        decoder,
        _dtype(engine.decoder_dtype, torch.float32),
    )


def _device(name: str, key: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"engine.{key}: {name!r} is no device", "expected auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"engine.{key}: {name!r} is not supported", "expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"engine.{key}: {name!r} asked for, but {torch.cuda.device_count()} CUDA devices are there",
            "use cpu, or run where the device is",
        )
    return device


def _dtype(name: str, auto: torch.dtype) -> torch.dtype:
    return auto if name == "auto" else DTYPES[name]


def refuse_unavailable(config: Config) -> None:
    """InputError for settings that this engine does not have, or that contradict each other."""
    decoder = config.decoder
    if config.graphs.decoder and (decoder.mode, decoder.transformer, decoder.stages) != (
        "incremental",
        "cache",
        "full",
    ):
        raise InputError(
            "graphs.decoder = true captures the step of decoder.mode = 'incremental' with transformer = 'cache' and "
            f"stages = 'full'; these are {decoder.mode!r}, {decoder.transformer!r} and {decoder.stages!r}",
            "leave graphs.decoder false, or take that mode",
        )
    if (config.graphs.talker or config.graphs.predictor) and config.sampling.noise == "package":
        raise InputError(
            "graphs.talker or graphs.predictor with sampling.noise = 'package', a generator that a graph cannot hold",
            "use the noise 'philox'",
        )
    if config.backend.kernels == "triton" and config.record.trace == "modules":
        raise InputError(
            "record.trace = 'modules' with backend.kernels = 'triton', which runs no module by itself",
            "record.trace=stages, or set backend.kernels=torch",
        )
    if config.engine.batch > 1 and config.sampling.noise == "package":
        raise InputError(
            f"engine.batch = {config.engine.batch} with sampling.noise = 'package', a generator of one request",
            "use the noise 'philox'",
        )
    refuse_conflicts(config)


def describe_placement(placement: Placement) -> dict[str, object]:
    """As it stands in a summary's ``in_force``."""
    return {
        "codegen_device": str(placement.codegen_device),
        "codegen_dtype": str(placement.codegen_dtype).removeprefix("torch."),
        "decoder_device": str(placement.decoder_device),
        "decoder_dtype": str(placement.decoder_dtype).removeprefix("torch."),
    }


def read_back(placement: Placement, threads: int = 1) -> dict[str, object]:
    """What is in force now, read back; ``threads`` share a product's blocks."""
    return {
        **describe_placement(placement),
        **describe_switches(snapshot()),
        "threads": threads,
        "cublas_workspace": read_workspace(),
        "interop_threads": torch.get_num_interop_threads(),
    }


def cuda_devices() -> int:
    """How many CUDA devices this process can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
