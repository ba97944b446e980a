"""The process-wide switches of the numeric libraries: reads, sets and restores them.

They belong to the process, not to an engine, so an engine puts its own in force during its calls and then restores
what it found. Two engines of one process can so differ, as long as they do not work at the same time. Only the cuBLAS
workspace stays: it is read once, when CUDA starts.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any

import torch
import torch.utils.deterministic

from ttsctl.core.config import BackendConfig, Config
from ttsctl.core.errors import EngineError, InputError

WORKSPACE_VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
# The workspaces with which cuBLAS gives repeatable results (cuBLAS manual, "Results reproducibility"); torch wants one.
REPEATABLE_WORKSPACES = (":4096:8", ":16:8")
# libgomp ends the process, with status 1 or a fault, where the system refuses it a thread.
MOST_THREADS = 64
THREADS_PER_CORE = 4


# Threads within one of torch's operations: always one. The order of a sum, and so its last bits, may go with their
# number, and they wait for the slowest: on two cores with three other processes the built-in took 0.8 s a run on one
# thread, and 28 s on two. ``backend.threads`` share the blocks of a product instead (``cpu.row_pool``).
OPERATION_THREADS = 1
# Threads that share a product's blocks, unless ``backend.threads`` says how many. Bits do not depend on their number.
# One: alone on two cores the released 0.6B size took 583 ms a frame on one thread and 513 on two in float32, 643 and
# 463 in bfloat16 (fastest of 12), for half as much CPU time again; beside one to two other processes 990 and 1174, 547
# and 624. Who has the machine for himself sets two.
DEFAULT_THREADS = 1


@dataclass(frozen=True)
class Switches:
    """One value of all process-wide switches. ``deterministic`` is torch's debug mode: 0 off, 1 warns, 2 raises.

    ``bf16_reduced_sums`` and ``fp16_reduced_sums``: cuBLAS may round partial sums of a product to that dtype.
    ``sdpa_*``: attention may choose that kernel. ``fill_empty``: under deterministic algorithms torch fills new memory,
    so that a read of it before a write repeats.
    """

    deterministic: int
    cudnn_benchmark: bool
    cudnn_deterministic: bool
    cudnn_allow_tf32: bool
    matmul_allow_tf32: bool
    mkldnn: bool
    bf16_reduced_sums: bool
    fp16_reduced_sums: bool
    sdpa_flash: bool
    sdpa_mem_efficient: bool
    sdpa_math: bool
    sdpa_cudnn: bool
    fill_empty: bool
    operation_threads: int


def snapshot() -> Switches:
    """What is in force now."""
    return Switches(
        deterministic=torch.get_deterministic_debug_mode(),
        cudnn_benchmark=torch.backends.cudnn.benchmark,
        cudnn_deterministic=torch.backends.cudnn.deterministic,
        cudnn_allow_tf32=torch.backends.cudnn.allow_tf32,
        matmul_allow_tf32=torch.backends.cuda.matmul.allow_tf32,
        mkldnn=_one_dnn().enabled,
        bf16_reduced_sums=_matmul().allow_bf16_reduced_precision_reduction,
        fp16_reduced_sums=_matmul().allow_fp16_reduced_precision_reduction,
        sdpa_flash=torch.backends.cuda.flash_sdp_enabled(),
        sdpa_mem_efficient=torch.backends.cuda.mem_efficient_sdp_enabled(),
        sdpa_math=torch.backends.cuda.math_sdp_enabled(),
        sdpa_cudnn=torch.backends.cuda.cudnn_sdp_enabled(),
        fill_empty=_deterministic().fill_uninitialized_memory,
        operation_threads=torch.get_num_threads(),
    )


def restore(switches: Switches) -> None:
    """Put all of them in force."""
    # Unlike use_deterministic_algorithms, which sets the same switch, this does not import the compiler (3 s).
    torch.set_deterministic_debug_mode(switches.deterministic)
    torch.backends.cudnn.benchmark = switches.cudnn_benchmark
    torch.backends.cudnn.deterministic = switches.cudnn_deterministic
    torch.backends.cudnn.allow_tf32 = switches.cudnn_allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = switches.matmul_allow_tf32
    _one_dnn().enabled = switches.mkldnn
    _matmul().allow_bf16_reduced_precision_reduction = switches.bf16_reduced_sums
    _matmul().allow_fp16_reduced_precision_reduction = switches.fp16_reduced_sums
    torch.backends.cuda.enable_flash_sdp(switches.sdpa_flash)
    torch.backends.cuda.enable_mem_efficient_sdp(switches.sdpa_mem_efficient)
    torch.backends.cuda.enable_math_sdp(switches.sdpa_math)
    torch.backends.cuda.enable_cudnn_sdp(switches.sdpa_cudnn)
    _deterministic().fill_uninitialized_memory = switches.fill_empty
    torch.set_num_threads(switches.operation_threads)


# Torch's stubs do not know the properties of these.
def _one_dnn() -> Any:
    return torch.backends.mkldnn


def _matmul() -> Any:
    return torch.backends.cuda.matmul


def _deterministic() -> Any:
    return torch.utils.deterministic


def codegen_switches(config: Config, found: Switches) -> Switches:
    """The switches of code generation: as ``found``, then the ``determinism`` level, then the ``backend`` table.

    The number of threads within an operation is always one.
    """
    return _with_backend(config, _with_level(config.determinism.level, found))


def decoder_switches(config: Config, found: Switches) -> Switches:
    """The switches of the decoder: as for code generation, but strict only if ``strict_decoder`` is set.

    With ``overlap = "thread"`` both stages run at once in one process, so strict holds for both.
    """
    level = config.determinism.level
    apart = config.stream.overlap != "thread"
    if level == "strict" and apart and not config.determinism.strict_decoder:
        level = "soft"
    return _with_backend(config, _with_level(level, found))


def _with_level(level: str, found: Switches) -> Switches:
    """``off``: as found. ``soft``: no kernel and no attention plan that a library chooses as it runs, and sums of
    products in float32. ``strict``: also deterministic algorithms, no TF32, and no memory that is read before it is
    written.
    """
    if level == "off":
        return found
    soft = replace(
        found,
        cudnn_benchmark=False,
        bf16_reduced_sums=False,
        fp16_reduced_sums=False,
        # Torch takes the first of the others that fits the shapes, and each sums in an order of its own. cuDNN chooses
        # among plans by the machine.
        sdpa_flash=True,
        sdpa_mem_efficient=True,
        sdpa_math=True,
        sdpa_cudnn=False,
        fill_empty=False,
    )
    if level == "soft":
        return soft
    return replace(
        soft,
        deterministic=2,
        cudnn_deterministic=True,
        cudnn_allow_tf32=False,
        matmul_allow_tf32=False,
        fill_empty=True,
    )


def _with_backend(config: Config, found: Switches) -> Switches:
    backend: BackendConfig = config.backend
    named = {key: value for key, value in asdict(backend).items() if value is not None and hasattr(found, key)}
    return replace(found, **{**named, "operation_threads": OPERATION_THREADS})


def row_threads(config: Config) -> int:
    """How many threads share a product's blocks on the CPU: as the config says, else one."""
    return 1 if config.determinism.single_thread else config.backend.threads or DEFAULT_THREADS


def apply_switches(config: Config) -> None:
    """Put code generation's switches and the cuBLAS workspace in force for the rest of the process, as a bench does."""
    set_workspace(config)
    restore(codegen_switches(config, snapshot()))


class InForce:
    """A context in which ``switches`` are in force. The last one to leave restores what the first one found.

    Several threads and streams of one engine may be inside at once. It belongs to the engine that makes it.
    """

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self._lock = threading.Lock()
        self._inside = 0
        self._found = switches

    def __enter__(self) -> InForce:
        with self._lock:
            if self._inside == 0:
                self._found = snapshot()
                restore(self.switches)
            self._inside += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                restore(self._found)


def set_workspace(config: Config) -> None:
    """Set the cuBLAS workspace before CUDA starts: ``backend.cublas_workspace``, or ":4096:8".

    It stays until the process ends, so every level sets one that strict can work with later. EngineError if CUDA has
    started with another one and the key is set, or with one under which strict is not possible.
    """
    asked, found = config.backend.cublas_workspace, read_workspace()
    wanted = asked or REPEATABLE_WORKSPACES[0]
    if found == wanted:
        return
    if not torch.cuda.is_initialized():
        os.putenv(WORKSPACE_VARIABLE, wanted)
    elif asked is not None or (config.determinism.level == "strict" and found not in REPEATABLE_WORKSPACES):
        raise EngineError(
            f"cuBLAS workspace {wanted!r}: CUDA has started in this process with {found!r}",
            "start a new process for this configuration",
        )


def read_workspace() -> str | None:
    """The workspace setting that cuBLAS and torch see; None if there is none, and on systems other than POSIX.

    They read the C environment. Python's own mapping is a copy from its start, so the C library is asked.
    """
    if os.name != "posix":
        return None
    read = ctypes.CDLL(None)["getenv"]
    read.restype, read.argtypes = ctypes.c_char_p, [ctypes.c_char_p]
    value: bytes | None = read(WORKSPACE_VARIABLE.encode())
    return None if value is None else value.decode()


def refuse_conflicts(config: Config) -> None:
    """InputError for settings of ``backend`` and ``determinism`` that contradict each other."""
    threads, workspace = config.backend.threads, config.backend.cublas_workspace
    if config.determinism.single_thread and threads not in (None, 1):
        raise InputError(
            f"backend.threads = {threads} with determinism.single_thread = true", "leave one of the two out"
        )
    most = max(MOST_THREADS, THREADS_PER_CORE * (os.cpu_count() or 1))
    if threads is not None and threads > most:
        raise InputError(f"backend.threads = {threads}: expected at most {most} on this machine", "take fewer")
    if workspace is not None and not re.fullmatch(r"(:\d+:\d+)+", workspace):
        raise InputError(
            f"backend.cublas_workspace: {workspace!r} is no workspace", "expected :SIZE:COUNT, such as ':4096:8'"
        )
    if workspace is not None and config.determinism.level == "strict" and workspace not in REPEATABLE_WORKSPACES:
        raise InputError(
            f"backend.cublas_workspace = {workspace!r} with determinism.level = 'strict'",
            "strict needs ':4096:8' or ':16:8'",
        )


def threads_chosen_by(config: Config) -> str:
    """Where the number of threads in force comes from, as it stands in a summary's ``in_force``."""
    if config.determinism.single_thread:
        return "determinism.single_thread"
    return "backend.threads" if config.backend.threads else "the default: one, as backend.threads is not set"


def describe_switches(switches: Switches) -> dict[str, object]:
    """As it stands in a summary's ``in_force``."""
    described: dict[str, object] = asdict(switches)
    described["deterministic_algorithms"] = described.pop("deterministic") == 2
    return described
