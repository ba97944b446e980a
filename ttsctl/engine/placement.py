"""Where each stage runs and how precisely, and the process-wide switches, set once and read back."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from ttsctl.contract.config import BackendConfig, Config, StreamConfig
from ttsctl.contract.errors import InputError

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
    """The devices and dtypes in force: "auto" is cuda if there, else cpu, and bfloat16 on cuda, float32 on cpu."""
    engine = config.engine
    codegen = _device(engine.codegen_device or engine.device, "codegen_device" if engine.codegen_device else "device")
    decoder = _device(engine.decoder_device or engine.device, "decoder_device" if engine.decoder_device else "device")
    return Placement(codegen, _dtype(engine.codegen_dtype, codegen), decoder, _dtype(engine.decoder_dtype, decoder))


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


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return DTYPES[name]


def refuse_unavailable(config: Config) -> None:
    """Settings that this engine does not have are an error, never silently ignored."""
    stream, plain = config.stream, StreamConfig()
    available = ("packet_tokens", "left_context", "chunk_ms")
    for field in fields(stream):
        value = getattr(stream, field.name)
        if field.name not in available and value != getattr(plain, field.name):
            raise InputError(
                f"stream.{field.name} = {value!r}: this engine does not have it yet",
                f"leave it at {getattr(plain, field.name)!r}",
            )
    for field in fields(config.graphs):
        if getattr(config.graphs, field.name):
            raise InputError(f"graphs.{field.name} = true: this engine does not have CUDA graphs yet", "leave it false")
    if config.backend.cublas_workspace is not None:
        raise InputError("backend.cublas_workspace: this engine does not set it yet", "leave it out")
    if config.determinism.strict_decoder:
        raise InputError("determinism.strict_decoder: not available yet", "use determinism.level = 'strict' for both")


def apply_switches(config: Config) -> None:
    """Set the process-wide flags that the config names. ``soft`` switches benchmarked kernels off; ``strict`` also
    asks for deterministic algorithms and switches TF32 off; ``off`` leaves all but the ``backend`` table alone.
    """
    level, backend = config.determinism.level, config.backend
    if level != "off":
        torch.backends.cudnn.benchmark = False
    if level == "strict":
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    _apply_backend(backend)
    if config.determinism.single_thread:
        torch.set_num_threads(1)


def _apply_backend(backend: BackendConfig) -> None:
    if backend.cudnn_benchmark is not None:
        torch.backends.cudnn.benchmark = backend.cudnn_benchmark
    if backend.cudnn_deterministic is not None:
        torch.backends.cudnn.deterministic = backend.cudnn_deterministic
    if backend.cudnn_allow_tf32 is not None:
        torch.backends.cudnn.allow_tf32 = backend.cudnn_allow_tf32
    if backend.matmul_allow_tf32 is not None:
        torch.backends.cuda.matmul.allow_tf32 = backend.matmul_allow_tf32


def read_back(placement: Placement) -> dict[str, object]:
    """What is in force now, whatever was asked for."""
    return {
        "codegen_device": str(placement.codegen_device),
        "codegen_dtype": str(placement.codegen_dtype).removeprefix("torch."),
        "decoder_device": str(placement.decoder_device),
        "decoder_dtype": str(placement.decoder_dtype).removeprefix("torch."),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "matmul_allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "mkldnn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
    }
