"""Faults planted into graphs and streams, which ``bench cuda`` must notice, or its other checks would prove nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from ttsctl.engine.bench.cuda.checks import CheckFailed, CheckSkipped, speak_frame
from ttsctl.engine.bench.cuda.subject import Subject
from ttsctl.engine.codegen.frame_graphs import tensors_of
from ttsctl.engine.codegen.generator import Generation
from ttsctl.engine.cuda.graphs import CudaGraphs, Step

FRAMES = 3
# About a tenth of a second on any GPU: long enough that a stream that does not wait is always too early.
SLEEP_CYCLES = 200_000_000


def notice_a_frozen_position(subject: Subject) -> str:
    """A step captured with its position as a number of the host's: the logits must part from the eager ones."""
    clean, frozen = (_captured_frames(subject, frozen) for frozen in (False, True))
    wanted = _eager_frames(subject)
    if not torch.equal(clean, wanted):
        raise CheckFailed("the graph without the fault differs from the eager steps")
    if torch.equal(frozen, wanted):
        raise CheckFailed("a frozen position was not noticed")
    return f"{FRAMES} steps: a graph with a frozen position differs, one without is equal"


def notice_a_reused_output(subject: Subject) -> str:
    """An output kept over the next replay: it must be seen to change."""
    counter = torch.zeros(4, dtype=torch.int64, device=subject.device)

    def count() -> tuple[Tensor, ...]:
        counter.add_(1)
        return (counter * 2,)

    captured = CudaGraphs(subject.device).capture(Step("counter", count, lambda: {"counter": counter}))
    first = captured.replay()[0]
    kept, copied = first, first.clone()
    captured.replay()
    if torch.equal(kept, copied):
        raise CheckFailed("an output kept over the next replay was not noticed")
    return "an output kept over the next replay changes, its copy does not"


def notice_a_missing_event(subject: Subject) -> str:
    """A stream that does not wait for another's event: it must read what was there before."""
    sleep = getattr(torch.cuda, "_sleep", None)
    if sleep is None or subject.device.type != "cuda" or not hasattr(torch._C, "_cuda_sleep"):
        raise CheckSkipped("no kernel that waits is there to make one stream late")
    found = {}
    for waits in (True, False):
        codes = torch.zeros(16, dtype=torch.int64, device=subject.device)
        source, reader = torch.cuda.Stream(subject.device), torch.cuda.Stream(subject.device)
        torch.cuda.synchronize(subject.device)
        with torch.cuda.stream(source):
            sleep(SLEEP_CYCLES)
            codes.fill_(7)
            event = torch.cuda.Event()
            event.record(source)
        with torch.cuda.stream(reader):
            if waits:
                reader.wait_event(event)
            read = codes.clone()
        torch.cuda.synchronize(subject.device)
        found[waits] = int(read.sum())
    if found != {True: 7 * 16, False: 0}:
        raise CheckFailed(f"with and without the event the reader found {found[True]} and {found[False]}")
    return "without its event the reader finds what was there before"


def _begun(subject: Subject) -> tuple[Generation, int]:
    config = subject.config(sampling={"max_new_tokens": FRAMES + 2})
    with subject.engine(config) as engine, engine.codegen_stage.in_force:
        generation, _ = engine.codegen_stage.begin(subject.request)
    return generation, generation.state.reach_for(generation.positions + FRAMES)


@torch.inference_mode()
def _eager_frames(subject: Subject) -> Tensor:
    generation, reach = _begun(subject)
    speak_frame(generation, 0)
    for _ in range(1, FRAMES):
        generation.function.advance(generation.state, reach)
    return generation.state.logits[0].float().cpu()


@torch.inference_mode()
def _captured_frames(subject: Subject, frozen: bool) -> Tensor:
    generation, reach = _begun(subject)
    function, state = generation.function, generation.state
    speak_frame(generation, 0)
    held = torch.full_like(state.position, int(state.position[0]))

    def run() -> tuple[Tensor, ...]:
        if frozen:
            state.position.copy_(held)
        # The talker's step alone: nothing else of a frame knows the position.
        function.advance(state, reach)
        return ()

    captured = CudaGraphs(subject.device).capture(Step("frame", run, lambda: tensors_of(state)))
    for _ in range(1, FRAMES):
        captured.replay()
    return state.logits[0].float().cpu()
