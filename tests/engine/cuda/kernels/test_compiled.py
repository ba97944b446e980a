"""The kernels compiled for GPUs that are not there: no spill, few registers, nothing contracted, no atomics."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("triton", reason="needs the extra 'cuda'")

from tests.released import talker_config
from ttsctl.engine.codegen.draws import DrawShape
from ttsctl.engine.cuda.kernels.compiled import Compiled, KernelSource, compile_source, draw_source, layer_sources
from ttsctl.engine.model.sizes import TransformerSizes

pytestmark = pytest.mark.slow

# Registers a thread, by kernel. 64 a thread let 8 programs of 4 warps live on a multiprocessor, which covers the wait
# for memory; a program of ``project`` holds a whole head, and of ``draw`` a
# whole vocabulary, of 8 warps: 128 let two of them live there.
REGISTERS = {"project": 128, "attend": 128, "gate_up": 64, "output": 64, "down": 64, "norm": 64, "draw": 128}
SIZES = {"0.6B": (1024, 3072), "1.7B": (2048, 6144)}
# Every kernel once, and on the other generations of GPU those that hold the most.
CASES = (
    ("0.6B", 90, tuple(REGISTERS)),
    ("1.7B", 80, ("project", "draw")),
    ("1.7B", 100, ("project", "attend", "draw")),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


def sources(size: str) -> dict[str, KernelSource]:
    talker = talker_config(*SIZES[size], size, "custom_voice")["talker_config"]
    sizes = TransformerSizes.read(talker, size)
    # A draw with everything there is.
    draw = draw_source(DrawShape(True, True, True, True), talker["vocab_size"], sizes.hidden_size, end_token=2150)
    return {source.name: source for source in (*layer_sources(sizes), draw)}


def faults(compiled: Compiled, name: str) -> dict[str, object]:
    found = {
        "registers": max(0, compiled.registers - REGISTERS[name]),
        "stack": compiled.stack,
        "local": compiled.local,
        "fused": compiled.fused,
        "atomics": compiled.atomics,
        "approximate": compiled.approximate,
    }
    return {fault: value for fault, value in found.items() if value}


@pytest.mark.parametrize("size, capability, names", CASES)
def test_kernels_spill_contract_and_race_nothing(size: str, capability: int, names: tuple[str, ...]) -> None:
    assert set(sources(size)) == set(REGISTERS)
    found = {name: faults(compile_source(sources(size)[name], "bf16", capability), name) for name in names}
    assert found == {name: {} for name in names}


def test_fusion_would_be_seen() -> None:
    """Control: what the compiler contracts where it may."""
    source = sources("0.6B")["output"]
    assert "fused" in faults(compile_source(source, "fp32", 90, fusion=True), "output")
    assert not faults(compile_source(source, "fp32", 90), "output")
