"""The frame function: the same operations every frame, none that waits for the host, rows of a batch apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.engine_help import make_engine
from tests.overlap_help import REQUEST
from ttsctl.core.request import Request
from ttsctl.engine.codegen.generator import CodeGenerator, Generation
from ttsctl.engine.model.fixed_cache import FIRST_REACH
from ttsctl.engine.recording.recorder import Recorder

# On a GPU each of these waits for the device, or copies to or from the host.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "item", "_unique2", "unique_dim")
SEEDED = (
    "sampling.policy=seeded",
    "sampling.top_p=0.8",
    "sampling.predictor_top_p=0.9",
    "sampling.predictor_repetition_penalty=1.1",
)
SETTINGS = {"greedy": (), "seeded": SEEDED}


class Operations(TorchDispatchMode):
    """Every operation with its shapes and numbers, in order."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        flat = torch.utils._pytree.tree_leaves((args, kwargs or {}))
        described = tuple(tuple(a.shape) if isinstance(a, torch.Tensor) else str(a) for a in flat)
        self.seen.append((function._schema.name, *described))
        return function(*args, **(kwargs or {}))


def begun(settings: tuple[str, ...]) -> tuple[CodeGenerator, Generation]:
    engine = make_engine("builtin", "sampling.max_new_tokens=12", *settings)
    return engine.generator, engine.codegen_stage.begin(REQUEST)[0]


def speak(generation: Generation, also: Callable[[], None] = lambda: None) -> None:
    """One later frame."""
    function, state = generation.function, generation.state
    function.advance(state, FIRST_REACH)
    also()
    function.draw_group0(state, generation.noise)
    function.predict(state, generation.noise)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@torch.inference_mode()
def test_every_frame_issues_the_same_operations(settings: tuple[str, ...]) -> None:
    _, generation = begun(settings)
    generation.function.draw_group0(generation.state, generation.noise)
    generation.function.predict(generation.state, generation.noise)
    frames = []
    for _ in range(4):
        with Operations() as operations:
            speak(generation)
        frames.append(operations.seen)
    assert frames[0] == frames[1] == frames[2] == frames[3]
    waits = [name for name, *_ in frames[0] if name.split("::")[1] in WAITS]
    assert not waits and len(frames[0]) > 100

    looked: list[int] = []
    with Operations() as control:
        speak(generation, lambda: looked.append(int(generation.state.position[0])))
    assert any(name.split("::")[1] in WAITS for name, *_ in control.seen) and control.seen != frames[0]


@torch.inference_mode()
def test_the_frame_function_gives_the_generators_codes() -> None:
    generator, generation = begun(SEEDED)
    wanted = torch.stack(list(generator.frames(generation)))
    _, bare = begun(SEEDED)
    bare.function.draw_group0(bare.state, bare.noise)
    bare.function.predict(bare.state, bare.noise)
    for _ in range(len(wanted) - 1):
        speak(bare)
    assert torch.equal(bare.state.codes[0, : len(wanted)], wanted)
    assert torch.equal(bare.state.frame, torch.tensor([len(wanted)]))


@torch.inference_mode()
def test_nothing_of_the_state_moves() -> None:
    """What a graph writes to stays where it is."""
    _, generation = begun(())
    kept = {name: value for name, value in vars(generation.state).items() if isinstance(value, torch.Tensor)}
    addresses = {name: value.data_ptr() for name, value in kept.items()}
    generation.function.draw_group0(generation.state, generation.noise)
    generation.function.predict(generation.state, generation.noise)
    speak(generation)
    assert {name: getattr(generation.state, name).data_ptr() for name in kept} == addresses


@pytest.mark.slow
@torch.inference_mode()
def test_speech_beyond_the_first_reach() -> None:
    """A cache that grows holds what it held: draws after 256 positions are as with a large one from the start."""
    engine = make_engine("builtin")
    request = Request("One word comes after another. " * 15, REQUEST.voice, text_mode="whole")
    forced = torch.randint(0, 60, (40, 16), generator=torch.Generator().manual_seed(2))
    draws = []
    for large in (False, True):
        probes = Recorder("codes").codegen(engine.generator.talker, forced)
        generation, _ = engine.codegen_stage.begin(request, probes)
        if large:
            generation.state.talker_cache = generation.state.talker_cache.grown(1024)
        assert len(list(engine.generator.frames(generation))) == 40
        assert generation.positions > FIRST_REACH > generation.positions - 40
        draws.append(probes.finish()[0])
    assert (draws[0].best == draws[1].best).all() and len(draws[0].best) == 40 * 16 + 1
