"""Kernels compiled ahead of time for a GPU that need not be there, and what the binaries say of themselves.

The compiler, ``ptxas`` and ``cuobjdump`` are in Triton's wheel.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ttsctl.engine.codegen.draws import DrawShape
from ttsctl.engine.cuda.kernels.device import attention, draw, projections
from ttsctl.engine.cuda.kernels.draws import constants
from ttsctl.engine.cuda.kernels.order import HEAD_LANES, LINEAR_LANES, NORM_LANES, PLACES, lanes
from ttsctl.engine.cuda.kernels.plan import HEAD_WARPS, PER_LAUNCH, ROWS
from ttsctl.engine.model.sizes import TransformerSizes

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
# Arguments that are neither tensors of the storage's dtype nor constants.
TYPES = {
    **dict.fromkeys(("at", "top_k", "seed", "frame", "ids_out"), "*i64"),
    **dict.fromkeys(("penalty", "temperature", "top_p", "processed", "scores"), "*fp32"),
    **dict.fromkeys(("capacity", "group"), "i32"),
    "seen": "*u8",
}
# Numbers that need be no multiple of 16.
UNALIGNED = ("group",)


@dataclass(frozen=True)
class KernelSource:
    """A kernel and its constants, as ``launch.py`` would launch it for a batch of one."""

    name: str
    kernel: Any
    constants: dict[str, Any]
    warps: int


@dataclass(frozen=True)
class Compiled:
    """What a binary uses: registers a thread; stack and local memory in bytes a thread, 0 = nothing spilled.

    ``fused``: fused multiply-adds that the kernel asks for, ``atomics``: atomic operations, ``approximate``:
    instructions that round as the device likes.
    """

    registers: int
    stack: int
    local: int
    fused: int
    atomics: int
    approximate: tuple[str, ...]


def layer_sources(sizes: TransformerSizes) -> Iterator[KernelSource]:
    """Every kernel of a layer's step at these sizes."""
    warps, hidden, inner = PER_LAUNCH["num_warps"], sizes.hidden_size, sizes.intermediate_size
    width, eps = sizes.num_attention_heads * sizes.head_dim, sizes.rms_norm_eps
    norm_lanes, width_lanes = lanes(hidden, NORM_LANES), lanes(hidden, LINEAR_LANES)
    heads = {
        "NEW": 1,
        "BATCH": 1,
        "HEADS": sizes.num_attention_heads,
        "KV_HEADS": sizes.num_key_value_heads,
        "D": sizes.head_dim,
    }
    project = {**heads, "EPS": eps, "K": hidden, "LANES": lanes(hidden, HEAD_LANES), "NORM_LANES": norm_lanes}
    attend = {**heads, "SCALE": sizes.head_dim**-0.5, "PLACES": PLACES}
    gate_up = {"EPS": eps, "N": inner, "K": hidden, "ROWS": ROWS, "LANES": width_lanes, "NORM_LANES": norm_lanes}
    yield KernelSource("project", projections.project, project, HEAD_WARPS)
    yield KernelSource("attend", attention.attend, attend, warps)
    yield KernelSource("gate_up", projections.gate_up, gate_up, warps)
    for name, k in (("output", width), ("down", inner)):
        linear = {"N": hidden, "K": k, "ROWS": ROWS, "LANES": lanes(k, LINEAR_LANES)}
        yield KernelSource(name, projections.linear, {**linear, "HAS_BIAS": False, "HAS_RESIDUAL": True}, warps)
    yield KernelSource("norm", projections.rms_norm, {"EPS": eps, "K": hidden, "NORM_LANES": norm_lanes}, warps)


def draw_source(shape: DrawShape, vocabulary: int, hidden: int, end_token: int | None) -> KernelSource:
    """The draw's kernel, which a stack's layers do not hold."""
    return KernelSource("draw", draw.draw, constants(shape, vocabulary, hidden, end_token), HEAD_WARPS)


def compile_source(source: KernelSource, dtype: str, capability: int, fusion: bool = False) -> Compiled:
    """Compile for compute ``capability`` (80, 90, 100), with "bf16" or "fp32" storage. Triton caches the binary."""
    names: list[str] = source.kernel.arg_names
    types = {name: TYPES.get(name, f"*{dtype}") for name in names}
    signature = {name: "constexpr" if name in source.constants else types[name] for name in names}
    # As at a launch: memory of torch and the cache's capacity are multiples of 16.
    apart = {*source.constants, *UNALIGNED}
    aligned = {(index,): [["tt.divisibility", 16]] for index, name in enumerate(names) if name not in apart}
    ast = ASTSource(source.kernel, signature, constexprs=source.constants, attrs=aligned)
    options = {**PER_LAUNCH, "num_warps": source.warps, "enable_fp_fusion": fusion}
    built = triton.compile(ast, target=GPUTarget("cuda", capability, 32), options=options)
    return _read(built.asm["ptx"], built.asm["cubin"])


def _read(ptx: str, cubin: bytes) -> Compiled:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(TOOLS / "cuobjdump"), "-res-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # "REG:37 STACK:0 SHARED:1024 LOCAL:0 ..."; a text without them is an error here, not a zero.
    numbers = {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", usage)}
    return Compiled(
        registers=numbers["REG"],
        stack=numbers["STACK"],
        local=numbers["LOCAL"],
        fused=len(re.findall(r"\bfma\.", ptx)),
        atomics=len(re.findall(r"\b(?:atom|red)\.", ptx)),
        approximate=tuple(sorted(set(re.findall(r"\b\w+\.(?:approx|full)[.\w]*", ptx)))),
    )
