"""CUDA graphs on a GPU: the same codes and PCM as without, bit for bit, and the CPU's codes; planted faults show."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from tests.overlap_help import OTHER, REQUEST, bits, speak
from ttsctl.engine.codegen.frame import FrameFunction
from ttsctl.engine.codegen.frame_state import FrameState
from ttsctl.engine.local import LocalEngine, load_engine
from ttsctl.runs.resolve_config import resolve_config

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
]
SEEDED = ("sampling.policy=seeded", "sampling.max_new_tokens=60")
EXACT = ("engine.codegen_dtype=float32", "engine.decoder_dtype=float32", "determinism.level=strict")
GRAPHS = ("graphs.talker=true", "graphs.predictor=true", "graphs.decoder=true")


def gpu_engine(*sets: str) -> LocalEngine:
    table = {"engine": {"checkpoint": "builtin", "device": "cuda"}}
    return load_engine(resolve_config(table, None, [*SEEDED, *sets]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("packet", [1, 4, 8])
@pytest.mark.parametrize("overlap", ["none", "thread"])
def test_a_graph_gives_the_bits_of_the_eager_frame_and_step(dtype: str, packet: int, overlap: str) -> None:
    sets = (f"engine.codegen_dtype={dtype}", f"stream.packet_tokens={packet}", f"stream.overlap={overlap}")
    eager, graphed = gpu_engine(*sets), gpu_engine(*sets, *GRAPHS)
    assert graphed.info.in_force["codegen_graphs"]["kind"] == "CUDA graphs"  # type: ignore[index]
    for request in (REQUEST, OTHER, REQUEST):
        assert bits(graphed, request) == bits(eager, request)


@pytest.mark.parametrize("sets", [(), GRAPHS])
def test_float32_codes_are_those_of_the_cpu(sets: tuple[str, ...]) -> None:
    wanted = speak(make_engine("builtin", *SEEDED, *EXACT))
    assert np.array_equal(speak(gpu_engine(*EXACT, *sets)).require_codes(), wanted.require_codes())


def test_one_hash_over_packets_and_overlap() -> None:
    forms = [(packet, overlap) for packet in (1, 4, 8) for overlap in ("none", "thread")]
    found = {bits(gpu_engine(*GRAPHS, f"stream.packet_tokens={p}", f"stream.overlap={o}")) for p, o in forms}
    assert len(found) == 1


def test_a_frozen_position_changes_the_codes() -> None:
    """The negative control: equal hashes above are not equal because nothing could differ."""
    advance = FrameFunction.advance

    def frozen(self: FrameFunction, state: FrameState, reach: int, *rest: object) -> None:
        state.position.fill_(40)
        advance(self, state, reach, *rest)  # type: ignore[arg-type]

    wanted = bits(gpu_engine(*GRAPHS))
    with mock.patch.object(FrameFunction, "advance", frozen):
        assert bits(gpu_engine(*GRAPHS)) != wanted


def test_no_wait_inside_a_packet() -> None:
    """torch's own check raises at a wait of the host."""
    engine = gpu_engine()
    stage = engine.codegen_stage
    with torch.inference_mode(), stage.in_force:
        generation, _ = stage.begin(REQUEST)
        state, noise, function = generation.state, generation.noise, generation.function
        function.draw_group0(state, noise)
        function.predict(state, noise)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(8):
                function.advance(state, 256)
                function.draw_group0(state, noise)
                function.predict(state, noise)
        finally:
            torch.cuda.set_sync_debug_mode("default")
