"""Times frames of code generation by stage, beside the time that reading their weights takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor, nn

from ttsctl.core.bench_results import CodegenBench, CodegenStageTime
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.engine.bench.random_networks import random_talker, released_talker
from ttsctl.engine.bench.request import bench_request
from ttsctl.engine.codegen.draws import Group0Rules, Noise
from ttsctl.engine.codegen.frame import FrameFunction, Watch
from ttsctl.engine.codegen.frame_state import FrameState
from ttsctl.engine.codegen.generator import CodeGenerator, Generation
from ttsctl.engine.codegen.sampling import SamplingPlan, drawn_seed, new_generator, plan_sampling
from ttsctl.engine.cpu.row_linear import split_linears
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.loading import open_generator
from ttsctl.engine.model.build_released import SIZES
from ttsctl.engine.model.checkpoint import Checkpoint, open_checkpoint
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.placement import Placement, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance, with_threads
from ttsctl.engine.switches import apply_switches, row_threads

Tell = Callable[[str, int, int], None]
STAGES = ("talker", "draw", "predictor")
# Read by blocks, as products read weights; far more than a CPU's caches hold, and so is a block's share of them.
MEMORY_BYTES, MEMORY_BLOCKS, MEMORY_ROUNDS = 1 << 29, 64, 5


class _TimedFunction(FrameFunction):
    """The frame function, with the ms of every call by stage."""

    def __init__(self, own: FrameFunction, rules: Group0Rules, plan: SamplingPlan) -> None:
        super().__init__(own.talker, rules, plan, own.steps, own.draws)
        self.ms: dict[str, list[float]] = {stage: [] for stage in STAGES}

    def advance(self, state: FrameState, reach: int, watch: Watch | None = None) -> None:
        with self._timed("talker"):
            super().advance(state, reach, watch)

    def draw_group0(self, state: FrameState, noise: Noise | None, watch: Watch | None = None) -> None:
        with self._timed("draw"):
            super().draw_group0(state, noise, watch)

    def predict(self, state: FrameState, noise: Noise | None, watch: Watch | None = None) -> None:
        with self._timed("predictor"):
            super().predict(state, noise, watch)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.ms[stage].append((time.perf_counter() - started) * 1e3)


@torch.inference_mode()
def bench_codegen(
    config: Config,
    checkpoint: str | None = None,
    size: str = "0.6B",
    frames: int = 8,
    seed: int = 0,
    tell: Tell | None = None,
) -> CodegenBench:
    """Time ``frames`` frames after a warm one. ``checkpoint`` None = random weights of the released ``size``.

    InputError for no frames, an unknown size, and for a placement other than the CPU.
    """
    if frames < 1:
        raise InputError(f"bench: {frames} frames", "give at least one")
    if size not in SIZES:
        raise InputError(f"bench codegen: no released size {size!r}", f"expected {' or '.join(SIZES)}")
    refuse_unavailable(config)
    placement = place(config)
    if placement.codegen_device.type != "cpu":
        raise InputError(f"bench codegen: code generation is on {placement.codegen_device}", "set engine.device = cpu")
    apply_switches(config)
    opened = open_checkpoint("builtin" if checkpoint is None else checkpoint)
    generator = _generator(opened, placement, size if checkpoint is None else None, seed)
    pool = RowPool(row_threads(config))
    split_linears(generator.talker, pool)
    try:
        ms, cpu_ms = _speak(generator, _begin(generator, opened, config, frames), tell)
        read_gb_s = memory_gb_s(pool)
    finally:
        pool.close()
    whole = [sum(frame) for frame in zip(*ms.values(), strict=True)]
    read = weight_bytes_a_frame(generator.talker)
    floor_ms = read / read_gb_s / 1e6
    return CodegenBench(
        network=f"released size ({size}), random weights" if checkpoint is None else checkpoint,
        frames=len(whole),
        threads=pool.threads,
        dtype=str(placement.codegen_dtype).removeprefix("torch."),
        stages=tuple(CodegenStageTime(stage, median(all_ms), min(all_ms), max(all_ms)) for stage, all_ms in ms.items()),
        frame_ms=median(whole),
        frame_fastest_ms=min(whole),
        frame_cpu_ms=cpu_ms,
        weight_bytes=read,
        memory_gb_s=read_gb_s,
        floor_ms=floor_ms,
        over_floor=min(whole) / floor_ms,
        in_force=read_back(placement, pool.threads),
        provenance=with_threads(collect_provenance()) if checkpoint is None else engine_provenance(opened),
    )


def weight_bytes_a_frame(talker: Talker) -> int:
    """Bytes of the weights that a frame's products read: the talker's once, the predictor's for each of its steps.

    The predictor's first step takes two positions at once and reads its weights once. Embeddings, of which a few rows
    are read, and what only the prompt needs do not count.
    """
    predictor = talker.code_predictor
    steps = talker.sizes.num_code_groups - 1
    once = [talker.model.layers, talker.model.norm, talker.codec_head, predictor.lm_head]
    every_step = [predictor.model.layers, predictor.model.norm, predictor.small_to_mtp_projection]
    return _bytes(once) + steps * _bytes(every_step)


def memory_gb_s(pool: RowPool) -> float:
    """What the pool's threads read of memory, in GB/s: the fastest of some sums over more than the caches hold."""
    blocks = torch.ones(MEMORY_BYTES // 4).chunk(MEMORY_BLOCKS)
    fastest = float("inf")
    for _ in range(MEMORY_ROUNDS):
        started = time.perf_counter()
        pool.map(Tensor.sum, blocks)
        fastest = min(fastest, time.perf_counter() - started)
    return MEMORY_BYTES / fastest / 1e9


def _bytes(modules: list[nn.Module]) -> int:
    return sum(weight.nbytes for module in modules for weight in module.parameters())


def _generator(opened: Checkpoint, placement: Placement, size: str | None, seed: int) -> CodeGenerator:
    if size is None:
        return open_generator(opened, placement)
    sizes = released_talker(opened.sizes.text_vocab_size, size)
    talker = random_talker(sizes, seed, placement.codegen_device, placement.codegen_dtype)
    return CodeGenerator(talker, load_tokenizer(opened.folder))


def _begin(generator: CodeGenerator, opened: Checkpoint, config: Config, frames: int) -> Generation:
    """A text after its prompt, with room for frame 0, ``frames`` more and the last draw."""
    request = bench_request(opened.sizes)
    plan = replace(plan_sampling(config.sampling, opened.generation), max_new_tokens=frames + 2)
    seed = drawn_seed(config.sampling, request)
    return generator.begin(request, plan, seed, new_generator(config.sampling, seed, generator.device))


def _speak(generator: CodeGenerator, generation: Generation, tell: Tell | None) -> tuple[dict[str, list[float]], float]:
    """ms of every frame by stage, and the process's own ms a frame. Frame 0 does not count: the prompt was its step.

    InputError if the checkpoint ends the speech at once.
    """
    timed = _TimedFunction(generation.function, generator.rules, generation.plan)
    generation.function = timed
    spoken, cpu, since = 0, 0.0, 0.0
    for _ in generator.frames(generation):
        now = time.process_time()
        if spoken:
            cpu += now - since
            if tell:
                tell("frame", spoken - 1, generation.limit - 2)
        since, spoken = now, spoken + 1
    if spoken < 2:
        raise InputError("bench codegen: the speech ended before frame 1", "take another checkpoint or policy")
    ms = {"talker": timed.ms["talker"][: spoken - 1]}
    ms.update({stage: timed.ms[stage][1:spoken] for stage in STAGES[1:]})
    return ms, cpu * 1e3 / (spoken - 1)
