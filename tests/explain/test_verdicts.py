"""Verdicts with noise measured by the real engine: three planted examples, and the drift that is really there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.engine_help import make_engine
from tests.explain.planted import Fault, codec_module, last_bit, predictor_call, talker_module
from tests.explain.planted_rates import REQUEST, Faulty
from tests.near_tie import TIED, twin
from ttsctl.core.forensic import Forensic
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.local import LocalEngine
from ttsctl.explain.compare_traces import Side, compare_traces
from ttsctl.explain.investigate import Investigation, Methods, ReplaySetup, investigate, recorded_side

FRAMES = 3
SETTINGS = (f"sampling.max_new_tokens={FRAMES + 1}", "backend.threads=1")
ROOT = "talker.code_predictor"


@pytest.fixture(scope="module")
def engine(near_tie: Path) -> LocalEngine:
    return make_engine(str(near_tie), *SETTINGS)


@pytest.fixture(scope="module")
def clean(engine: LocalEngine) -> Side:
    return recorded_side("A", LocalForensics(engine), REQUEST)


def explained(a: Side, engine_a: Forensic, engine_b: Forensic, prove: bool = False) -> Investigation:
    b = recorded_side("B", engine_b, REQUEST)
    setup = ReplaySetup(REQUEST, lambda: engine_a, lambda: engine_b, Methods(jitter_seeds=(1, 2), prove=prove))
    return investigate(a, b, setup)


def last_bits(seed: int) -> Callable[[Tensor], Tensor]:
    """Every element one step up or down."""

    def change(values: Tensor) -> Tensor:
        up = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
        return torch.nextafter(values, torch.where(up, torch.inf, -torch.inf))

    return change


def five_less(values: Tensor) -> Tensor:
    """The best logit falls by five."""
    return values.index_add(0, values.argmax()[None], torch.full((1,), -5.0))


def test_last_bits_that_flip_a_twin_are_a_near_tie_flip(engine: LocalEngine, clean: Side) -> None:
    path = "talker.model.layers.0.mlp.down_proj"
    found = None
    for seed in range(8):
        fault = Fault("last bits", "talker", 0, 0, path, talker_module(path, 0, last_bits(seed)))
        if not np.array_equal(Faulty(engine, fault).record(REQUEST, "codes").require_codes(), clean.codes):
            found = explained(clean, LocalForensics(engine), Faulty(engine, fault))
            break
    assert found is not None, "of 8 ways to round a prompt's last position none flipped a near-tie"
    assert found.verdict.kind == "near_tie_flip"
    assert found.comparison.first is not None and found.comparison.first.point == path
    assert found.comparison.drawn is not None and found.comparison.drawn[1] in TIED
    assert found.noise is not None and found.verdict.gap_change is not None
    assert 0 < found.verdict.gap_change <= found.noise.bound < 1e-4


@pytest.mark.slow
def test_a_shifted_logit_is_a_real_change(engine: LocalEngine, clean: Side) -> None:
    """At a draw of twins too: the gap moves by far more than rounding moves it."""
    for codebook in (TIED[1], 6):
        # Heads are called once a frame.
        path = f"{ROOT}.lm_head.{codebook - 1}"
        fault = Fault("five less", "predictor", 1, codebook, path, talker_module(path, 1, five_less))
        found = explained(clean, LocalForensics(engine), Faulty(engine, fault))
        assert found.comparison.drawn == (1, codebook)
        assert found.verdict.kind == "real_change"
        assert found.noise is not None and found.verdict.gap_change is not None
        assert found.verdict.gap_change > 1000 * found.noise.bound


def test_a_last_bit_that_flips_nothing_is_silent_drift(engine: LocalEngine, clean: Side) -> None:
    codebook = 6
    path = f"{ROOT}.model.layers.1.mlp.up_proj"
    plant = talker_module(path, predictor_call(FRAMES - 1, codebook), last_bit)
    fault = Fault("last bit", "predictor", FRAMES - 1, codebook, path, plant)
    found = explained(clean, LocalForensics(engine), Faulty(engine, fault))
    assert found.comparison.codes_equal
    assert found.verdict.kind == "silent_drift"
    assert found.comparison.first is not None and found.comparison.first.point == path
    assert found.forced is not None and found.forced.draws_differ == 0


def test_a_last_bit_in_the_codec_is_neither(engine: LocalEngine, clean: Side) -> None:
    path = "decoder.decoder.0"
    fault = Fault("last bit", "codec", 2, 0, path, codec_module(path, 2, last_bit))
    found = explained(clean, LocalForensics(engine), Faulty(engine, fault))
    assert found.verdict.kind == "decode_change"
    assert found.comparison.codegen is None


def test_a_clean_pair_is_equal(engine: LocalEngine, clean: Side) -> None:
    found = explained(clean, LocalForensics(engine), LocalForensics(engine))
    assert found.verdict.kind == "equal"


def first_other_module(a: LocalEngine, b: LocalEngine) -> str:
    """The first module of code generation whose output has other values: looked up with hooks of its own."""
    one, other = leaf_outputs(a), leaf_outputs(b)
    for (name, left), (same_name, right) in zip(one, other, strict=False):
        assert name == same_name
        if not torch.equal(left, right):
            return name
    raise AssertionError("no module's output differs")


@torch.inference_mode()
def leaf_outputs(engine: LocalEngine) -> list[tuple[str, Tensor]]:
    """Every leaf module's output up to the first draw, in float64, which holds any of them."""
    outputs: list[tuple[str, Tensor]] = []
    stage = engine.codegen_stage
    leaves = [m for m in stage.generator.talker.named_modules() if not [*m[1].children()]]

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _module, _inputs, output: outputs.append((f"talker.{name}", output.double()))

    handles = [module.register_forward_hook(keep(name)) for name, module in leaves]
    try:
        with stage.in_force:
            stage.begin(REQUEST)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


@pytest.mark.slow
def test_bfloat16_against_float32(near_tie: Path, engine: LocalEngine, clean: Side) -> None:
    half = make_engine(str(near_tie), *SETTINGS, "engine.codegen_dtype=bfloat16")
    found = explained(clean, LocalForensics(engine), LocalForensics(half))
    first, noise, verdict = found.comparison.first, found.noise, found.verdict
    assert first is not None
    assert (first.stage, first.frame, first.inputs_equal, first.is_input) == ("prompt", 0, True, False)
    assert noise is not None and noise.precision == "bfloat16"
    assert verdict.gap_change is not None
    assert verdict.kind == ("near_tie_flip" if verdict.gap_change <= noise.bound else "real_change")
    assert found.comparison.drawn is not None and found.comparison.drawn[1] in TIED
    assert found.forced is not None and found.forced.floor == 0
    assert 0 < found.forced.draws_differ < found.forced.draws
    assert found.forced.first == found.comparison.drawn


def test_the_first_difference_of_bfloat16_is_of_values(near_tie: Path, engine: LocalEngine, clean: Side) -> None:
    """Embeddings of a bfloat16 checkpoint are the same numbers in float32: the first to round is the next module."""
    half = make_engine(str(near_tie), *SETTINGS, "engine.codegen_dtype=bfloat16")
    first = compare_traces(clean, recorded_side("B", LocalForensics(half), REQUEST)).first
    assert first is not None and first.point == first_other_module(engine, half)


@pytest.mark.slow
def test_one_thread_against_two(near_tie: Path, engine: LocalEngine, clean: Side) -> None:
    two = make_engine(str(near_tie), SETTINGS[0], "backend.threads=2")
    b = recorded_side("B", LocalForensics(two), REQUEST)
    if np.array_equal(b.codes, clean.codes):
        pytest.skip("1 and 2 threads give the same codes on this machine")
    found = explained(clean, LocalForensics(engine), LocalForensics(two))
    first = found.comparison.first
    assert first is not None and first.point == first_other_module(engine, two)
    assert found.comparison.drawn is not None
    frame, codebook = found.comparison.drawn
    assert b.codes[frame, codebook] == twin(int(clean.codes[frame, codebook]))
    assert found.verdict.kind == "near_tie_flip"
    assert found.forced is not None and found.forced.draws_differ > 0


@pytest.mark.slow
def test_onednn_is_found_in_the_codec(near_tie: Path, engine: LocalEngine, clean: Side) -> None:
    without = LocalForensics(make_engine(str(near_tie), *SETTINGS, "backend.mkldnn=false"))
    b = recorded_side("B", without, REQUEST)
    assert clean.trace is not None and b.trace is not None
    if np.array_equal(clean.trace.decode.value, b.trace.decode.value):
        pytest.skip("the codec has the same bits with oneDNN and without on this machine")
    found = explained(clean, LocalForensics(engine), without, prove=True)
    assert found.verdict.kind == "decode_change"
    first = found.comparison.first
    assert first is not None and (first.stage, first.frame) == ("codec", 0)
    # The GELU between the two is computed by oneDNN.
    assert (first.point, first.is_input) == ("decoder.upsample.0.1.pwconv2", True)
    assert found.proven
