"""The step of incremental decoding can be captured: nothing but tensors in place changes from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from ttsctl.core.config import Config, DecoderConfig
from ttsctl.engine.decode.fixed_step import STEP_FRAMES, fixed_step
from ttsctl.engine.decode.reference import FirstPacketSession, primed_session, session_after
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.sessions import IncrementalSession, new_session
from ttsctl.engine.decode.staged import StagedDecoder
from ttsctl.engine.loading import open_decoder
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.codec_transformer import CodecTransformer
from ttsctl.engine.model.streaming import StreamState
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import DecodeProbes

CPU = torch.device("cpu")
# Past the window of the built-in codec's transformer, at whose end every key of the slot is written.
STEPS = 8


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.inference_mode():
        yield


@cache
def decoder() -> CodecDecoder:
    return open_decoder(open_checkpoint("builtin"), Placement(CPU, torch.float32, CPU, torch.float32))


def codes(frames: int) -> Tensor:
    return torch.randint(0, 64, (frames, 16), generator=torch.Generator().manual_seed(1))


class Tracing(TorchDispatchMode):
    """Every operation with its host values, and of its tensors the shape, strides, and address if it is the state's."""

    def __init__(self, state: StreamState) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Any] = []
        held = [state.device_position, *(state.past(layer) for layer in state.layers)]
        self._addresses = {tensor.data_ptr() for tensor in held if tensor.numel()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations.append((func, tree_map(self._described, args), tree_map(self._described, kwargs or {})))
        return func(*args, **kwargs or {})

    def _described(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        address = value.data_ptr()
        return value.shape, value.stride(), value.dtype, address if address in self._addresses else None


def traces(commits: list[bool], state: StreamState) -> list[list[Any]]:
    """The operations of one step after another on the same codes' memory."""
    staged, found = StagedDecoder(decoder()), []
    for step, commit in zip(codes(STEP_FRAMES * len(commits)).split(STEP_FRAMES), commits, strict=True):
        tracing = Tracing(state)
        with tracing:
            fixed_step(staged, step, state, commit)
        found.append(tracing.operations)
    return found


@pytest.mark.parametrize("commit", [True, False])
def test_every_step_is_one_sequence_of_operations(commit: bool) -> None:
    state = decoder().new_state()
    found = traces([commit] * STEPS, state)
    assert all(trace == found[0] for trace in found)
    assert state.device_position.item() == (STEP_FRAMES * STEPS if commit else 0)


def test_the_trace_sees_a_position_that_the_host_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: positions from a Python int, which a capture would freeze."""
    forward = CodecTransformer.forward

    def from_the_host(self: CodecTransformer, x: Tensor, state: StreamState) -> Tensor:
        state.device_position = torch.arange(state.position, state.position + 1)
        return forward(self, x, state)

    monkeypatch.setattr(CodecTransformer, "forward", from_the_host)
    state = decoder().new_state()
    first = traces([True], state)[0]
    state.advance_on_host(STEP_FRAMES)
    assert traces([True], state)[0] != first


def test_a_step_that_is_not_committed_leaves_the_state_alone() -> None:
    state = decoder().new_state()
    staged = StagedDecoder(decoder())
    fixed_step(staged, codes(4), state, True)
    before = state.copy()
    fixed_step(staged, codes(8)[4:], state, False)
    assert torch.equal(state.device_position, before.device_position)
    assert all(torch.equal(state.past(layer), before.past(layer)) for layer in state.layers)


def test_a_state_goes_on_where_another_is_in_its_own_memory() -> None:
    staged, one, other = StagedDecoder(decoder()), decoder().new_state(), decoder().new_state()
    fixed_step(staged, codes(4), one, True)
    one.advance_on_host(4)
    memory = [other.past(layer).data_ptr() for layer in other.layers]
    other.copy_from(one)
    assert [other.past(layer).data_ptr() for layer in other.layers] == memory
    assert other.position == one.position == 4
    assert torch.equal(*(fixed_step(staged, codes(8)[4:], state, True) for state in (one, other)))


class CountingStepper:
    """Steps as a graph does: in its own state and output memory, with host values of the first call alone."""

    def __init__(self) -> None:
        self.calls = 0
        self._state, self._codes = decoder().new_state(), codes(4).clone()
        self._staged = StagedDecoder(decoder())

    def step(self, step_codes: Tensor, state: StreamState, commit: bool) -> Tensor:
        self.calls += 1
        self._state.copy_from(state)
        self._state.position = 0
        self._codes.copy_(step_codes)
        pcm = fixed_step(self._staged, self._codes, self._state, commit).clone()
        if commit:
            self._state.position = state.position
            state.copy_from(self._state)
        return pcm


def spoken(session: Session, stepper: CountingStepper | None) -> Tensor:
    session.staged.stepper = stepper
    return torch.cat([*(session.push(piece) for piece in codes(23).split(5)), session.flush()])


def test_a_session_steps_through_its_stepper_with_the_same_bits() -> None:
    stepper = CountingStepper()
    session = IncrementalSession(decoder())
    assert torch.equal(spoken(session, stepper), spoken(IncrementalSession(decoder()), None))
    assert stepper.calls == session.calls > 5


@pytest.mark.parametrize("how", ["always", "first"])
def test_a_primed_session_steps_through_it_too(how: Any) -> None:
    config, stepper = Config(decoder=DecoderConfig(reference=how)), CountingStepper()
    primed = primed_session(decoder(), config, codes(9))
    one, other = (session_after(primed, decoder(), config, DecodeProbes()) for _ in range(2))
    assert isinstance(one, FirstPacketSession) == (how == "first")
    assert torch.equal(spoken(one, stepper), spoken(other, None))
    assert stepper.calls == one.calls


class LaterStepper(CountingStepper):
    """A stepper that was captured for the steps after a stream's first."""

    def step(self, step_codes: Tensor, state: StreamState, commit: bool) -> Tensor:
        assert state.position > 0
        self.calls += 1
        return fixed_step(self._staged, step_codes, state, commit)


def test_the_first_step_under_legacy_padding_is_eager() -> None:
    """Its PCM is shorter, so it has a shape of its own; every other step has that of causal padding."""
    decoder().set_legacy(True)
    try:
        stepper, session = LaterStepper(), IncrementalSession(decoder())
        pcm = spoken(session, stepper)
        assert torch.equal(pcm, spoken(IncrementalSession(decoder()), None))
        assert 0 < stepper.calls < session.calls
    finally:
        decoder().set_legacy(False)


class Seeing(DecodeProbes):
    """Probes that may record."""


@pytest.mark.parametrize(
    ("probes", "table"),
    [
        (Seeing(), DecoderConfig()),
        (DecodeProbes(), DecoderConfig(stages="conv_only")),
        (DecodeProbes(), DecoderConfig(transformer="window")),
        (DecodeProbes(), DecoderConfig(mode="windowed")),
    ],
)
def test_what_is_recorded_staged_or_of_another_shape_is_eager(probes: DecodeProbes, table: DecoderConfig) -> None:
    stepper = CountingStepper()
    spoken(new_session(decoder(), Config(decoder=table), probes), stepper)
    assert stepper.calls == 0
