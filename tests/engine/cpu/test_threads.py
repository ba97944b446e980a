"""Codes of a network whose weights are split: the same for every number of threads, recorded or not."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

from tests.engine_help import make_engine
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import SamplingConfig
from ttsctl.core.request import Request, Voice
from ttsctl.engine.bench.random_networks import random_talker, released_talker
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import plan_sampling
from ttsctl.engine.cpu.row_linear import RowLinear, split_linears
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.recording.recorder import Recorder

REQUEST = Request("Good morning.", Voice("test", None, instruct="A calm voice."))


@pytest.fixture(scope="module")
def talker() -> Talker:
    """The released widths, with one layer each."""
    sizes = released_talker(open_checkpoint("builtin").sizes.text_vocab_size)
    shallow = replace(
        sizes,
        talker=replace(sizes.talker, num_hidden_layers=1),
        predictor=replace(sizes.predictor, num_hidden_layers=1),
    )
    return random_talker(shallow, 0, torch.device("cpu"), torch.float32)


def spoken(talker: Talker, threads: int, level: str = "none") -> tuple[CodeArray, set[str]]:
    """Three frames' codes, and the threads that computed for them."""
    opened, pool, seen = open_checkpoint("builtin"), RowPool(threads), set()
    own_map, caller, helped = pool.map, threading.current_thread(), threading.Event()

    def noted(function, items):  # type: ignore[no-untyped-def]
        def block(item):  # type: ignore[no-untyped-def]
            seen.add(threading.current_thread().name)
            # Busy as the machine may be, a helper computes for this.
            if threading.current_thread() is not caller:
                helped.set()
            elif threads > 1:
                helped.wait()
            return function(item)

        return own_map(block, items)

    pool.map = noted  # type: ignore[method-assign]
    split_linears(talker, pool)
    generator = CodeGenerator(talker, load_tokenizer(opened.folder))
    plan = replace(plan_sampling(SamplingConfig(policy="seeded"), opened.generation), max_new_tokens=4)
    probes = Recorder(level).codegen(talker)  # type: ignore[arg-type]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            codes = torch.stack(list(generator.frames(generator.begin(REQUEST, plan, 5, None, probes))))
    finally:
        torch.set_num_threads(before)
        pool.close()
    return codes.numpy(), seen


def test_codes_are_the_same_for_every_number_of_threads(talker: Talker) -> None:
    wanted, alone = spoken(talker, 1)
    linears = [module for module in talker.model.modules() if isinstance(module, RowLinear)]
    assert len(alone) == 1 and all(linear.product is not None for linear in linears)
    for threads in (2, 4):
        codes, shared = spoken(talker, threads)
        assert (codes == wanted).all() and len(shared) > 1, threads


def test_a_trace_of_every_module_changes_no_code(talker: Talker) -> None:
    assert (spoken(talker, 2, "modules")[0] == spoken(talker, 2)[0]).all()


def test_an_engine_leaves_no_thread() -> None:
    before = threading.active_count()
    engine = make_engine("builtin", "backend.threads=3")
    engine.codegen_stage.pool.map(abs, [-1, -2, -3])
    assert threading.active_count() == before + 2 and engine.info.in_force["threads"] == 3
    engine.close()
    assert threading.active_count() == before
