"""Overlap and synchronisation on a GPU: the same codes as without, and nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.engine_help import close_early
from tests.overlap_help import REQUEST, codegen_threads, speak
from ttsctl.engine.local import LocalEngine, load_engine
from ttsctl.runs.resolve_config import resolve_config

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
]
# Float32 without TF32, so that the small network's near-equal sums stay apart.
EXACT = ("engine.codegen_dtype=float32", "engine.decoder_dtype=float32", "determinism.level=strict")
PCM_TOLERANCE = 1e-4


def gpu_engine(*sets: str) -> LocalEngine:
    return load_engine(resolve_config({"engine": {"checkpoint": "builtin", "device": "cuda"}}, None, [*EXACT, *sets]))


@pytest.fixture(scope="module")
def plain() -> LocalEngine:
    return gpu_engine()


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize(
    ("overlap", "sync"),
    [
        *(("none", sync) for sync in ("none", "sync")),
        *(("thread", sync) for sync in ("none", "sync", "event", "phase")),
    ],
)
def test_synchronisation_changes_no_code(overlap: str, sync: str, every: int, plain: LocalEngine) -> None:
    wanted = speak(plain)
    sets = (f"stream.overlap={overlap}", f"stream.sync={sync}", f"stream.decode_every={every}")
    engine = gpu_engine(*sets, "stream.prefill_packets=1")
    for _ in range(3):
        run = speak(engine)
        assert np.array_equal(run.require_codes(), wanted.require_codes())
        assert np.abs(run.require_pcm() - wanted.require_pcm()).max() <= PCM_TOLERANCE
    stream = engine.stream(REQUEST)
    next(stream)
    close_early(stream)
    assert not codegen_threads()


@pytest.mark.parametrize("sync", ["none", "sync"])
def test_a_worker_on_the_same_gpu(sync: str, plain: LocalEngine) -> None:
    engine = gpu_engine("stream.overlap=process", f"stream.sync={sync}")
    assert np.array_equal(speak(engine).require_codes(), speak(plain).require_codes())
    engine.close()


@pytest.mark.parametrize("where", [("cuda", "cpu"), ("cpu", "cuda")])
def test_stages_on_two_devices(where: tuple[str, str], plain: LocalEngine) -> None:
    sets = (f"engine.codegen_device={where[0]}", f"engine.decoder_device={where[1]}", "stream.sync=sync")
    run = speak(gpu_engine(*sets, "stream.overlap=thread"))
    assert np.array_equal(run.require_codes(), speak(plain).require_codes())


def test_top_p_under_strict() -> None:
    """Torch has no deterministic kernel for the sums that top_p needs, and under strict refuses the other one."""
    sets = ("sampling.policy=seeded", "sampling.top_p=0.9", "sampling.predictor_top_p=0.9")
    one, other = (speak(gpu_engine(*sets)).require_codes() for _ in range(2))
    assert np.array_equal(one, other)
