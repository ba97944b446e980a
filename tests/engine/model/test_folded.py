"""Constants of the codec folded at load: the same bits as without, and never those of other weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ttsctl.engine.decode.sessions import IncrementalSession
from ttsctl.engine.loading import open_decoder
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import SNAKE_EPSILON, USAGE_FLOOR, Codebook, CodecDecoder, SnakeBeta
from ttsctl.engine.placement import Placement

CPU = torch.device("cpu")
DTYPES = [torch.float32, torch.bfloat16]
# aten operations of one full step, views left out. They depend on the built-in codec's sizes alone.
UNFOLDED, FOLDED = 665, 472


def plain_snake(self: SnakeBeta, x: Tensor) -> Tensor:
    wave = (x * self.alpha.exp()).sin_()
    return torch.addcmul(x, wave.mul_(wave), 1.0 / (self.beta.exp() + SNAKE_EPSILON))


def plain_codebook(self: Codebook, ids: Tensor) -> Tensor:
    return self.embedding_sum[ids] / self.cluster_usage[ids].clamp(min=USAGE_FLOOR)[:, None]


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def unfolded(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use() -> None:
        monkeypatch.setattr(SnakeBeta, "forward", plain_snake)
        monkeypatch.setattr(Codebook, "forward", plain_codebook)

    return use


def decoder_of(dtype: torch.dtype) -> CodecDecoder:
    return open_decoder(open_checkpoint("builtin"), Placement(CPU, dtype, CPU, dtype))


def codes(frames: int) -> Tensor:
    return torch.randint(0, 64, (frames, 16), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_folded_gives_the_same_bits(dtype: torch.dtype, unfolded: Any) -> None:
    decoder = decoder_of(dtype)
    folded = IncrementalSession(decoder).push(codes(12))
    unfolded()
    assert torch.equal(folded, IncrementalSession(decoder).push(codes(12)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("moved", ["converted", "copied"])
def test_constants_follow_a_converted_or_copied_decoder(dtype: torch.dtype, moved: str, unfolded: Any) -> None:
    """Converting the constants themselves would round them twice."""
    decoder = decoder_of(torch.float32)
    decoder = decoder.to(dtype) if moved == "converted" else copy.deepcopy(decoder)
    folded = IncrementalSession(decoder).push(codes(4))
    unfolded()
    assert torch.equal(folded, IncrementalSession(decoder).push(codes(4)))


def snake() -> SnakeBeta:
    with torch.inference_mode(False):
        module = SnakeBeta(3)
        module.load_state_dict({"alpha": torch.zeros(3), "beta": torch.zeros(3)}, assign=True)
        return module.requires_grad_(False)


def write_and_refold(module: SnakeBeta) -> None:
    module.beta.data.fill_(4.0)
    module.refold()


def test_no_change_of_weights_is_ignored() -> None:
    x = torch.linspace(-1, 1, 12).view(4, 3)
    module = snake()
    changes: tuple[Callable[[], object], ...] = (
        lambda: module.alpha.fill_(0.5),
        lambda: module.load_state_dict({"alpha": torch.full((3,), 0.1), "beta": torch.ones(3)}),
        lambda: module.load_state_dict({"alpha": torch.full((3,), 0.2), "beta": torch.ones(3)}, assign=True),
        lambda: setattr(module, "beta", torch.nn.Parameter(torch.full((3,), 2.0), requires_grad=False)),
        lambda: setattr(module.beta, "data", torch.full((3,), 3.0)),
        partial(write_and_refold, module),
        lambda: module.double(),
    )
    for change in changes:
        before = module(x)
        with torch.inference_mode(False):
            change()
        assert torch.equal(module(x), plain_snake(module, x))
        assert not torch.equal(module(x), before)


def test_a_write_through_data_in_place_is_not_noticed() -> None:
    """Control, and the limit that the docstring names."""
    module = snake()
    module(torch.ones(1, 3))
    module.beta.data.fill_(4.0)
    assert not torch.equal(module(torch.ones(1, 3)), plain_snake(module, torch.ones(1, 3)))


class CountingMode(TorchDispatchMode):
    """Counts the operations that launch a kernel: no views, and no memory that stays empty."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = any(a.alias_info is not None and not a.alias_info.is_write for a in func._schema.returns)
        if not views and "empty" not in func._schema.name and func._schema.name != "aten::_unsafe_view":
            self.count += 1
        return func(*args, **kwargs or {})


def operations(decoder: CodecDecoder) -> int:
    session, step = IncrementalSession(decoder), codes(4)
    session.push(step)
    mode = CountingMode()
    with mode:
        session.push(step)
    return mode.count


def test_folding_leaves_out_a_third_of_a_steps_operations(unfolded: Any) -> None:
    decoder = decoder_of(torch.float32)
    folded = operations(decoder)
    unfolded()
    assert (operations(decoder), folded) == (UNFOLDED, FOLDED)
