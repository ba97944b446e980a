"""The stand-in for CUDA graphs: it freezes what a graph freezes, and catches what a graph breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from ttsctl.engine.cuda.graph_book import GraphBook
from ttsctl.engine.cuda.graphs import GraphFault, Outputs, Step
from ttsctl.engine.cuda.stand_in import CheckedGraphs

CAPACITY = 32


class Toy:
    """A recurrent step with its position and its cache on the device: what it returns depends on every step before."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 4).requires_grad_(False)
        self.cache = torch.zeros(CAPACITY, 4)
        self.hidden = torch.ones(1, 4)
        self.position = torch.zeros(1, dtype=torch.int64)
        self.seen = torch.zeros(4, dtype=torch.bool)
        self.one = torch.ones(1, dtype=torch.int64)
        self.yes = torch.ones(1, dtype=torch.bool)
        self.keys = torch.arange(CAPACITY)
        self.host_position = 0
        self.kept: list[Tensor] = []

    def state(self) -> Mapping[str, Tensor]:
        return {name: getattr(self, name) for name in ("cache", "hidden", "position", "seen")}

    def run(self) -> Outputs:
        self.cache.index_copy_(0, self.position, self.layer(self.hidden))
        mask = self.keys <= self.position
        self.hidden.add_(self.cache[self.position] * 0.0)
        self.hidden.copy_(torch.where(mask[:, None], self.cache, 0.0).sum(0, keepdim=True).tanh())
        best = self.hidden[0].argmax()
        self.seen.index_copy_(0, best[None], self.yes)
        self.position.add_(self.one)
        return self.hidden * 2.0, best

    def step(self, run: Callable[[], Outputs] | None = None) -> Step:
        return Step("toy", run or self.run, self.state)


def outputs_of(run: Callable[[], Outputs], steps: int) -> list[tuple[Tensor, ...]]:
    return [tuple(output.clone() for output in run()) for _ in range(steps)]


@pytest.mark.parametrize("checked", [True, False])
def test_a_replay_gives_what_the_step_gives(checked: bool) -> None:
    eager, toy = Toy(), Toy()
    captured = CheckedGraphs(checked).capture(toy.step())
    assert not toy.position, "the capture must leave the state as it was"
    with torch.inference_mode():
        wanted = outputs_of(eager.run, 20)
    for a, b in zip(wanted, outputs_of(captured.replay, 20), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert int(toy.position) == 20
    assert all(torch.equal(a, b) for a, b in zip(eager.state().values(), toy.state().values(), strict=True))


def frozen_position(toy: Toy) -> Outputs:
    toy.cache[toy.host_position] = toy.hidden[0] * 0.5
    toy.hidden.add_(1.0)
    toy.host_position += 1
    return (toy.hidden * 1.0,)


def test_a_host_value_that_moves_is_caught_at_capture() -> None:
    toy = Toy()
    with pytest.raises(GraphFault, match=r"aten.select.*the host value \d became \d"):
        CheckedGraphs().capture(toy.step(lambda: frozen_position(toy)))


def test_without_its_checks_the_stand_in_freezes_a_host_value_as_a_graph_does() -> None:
    toy = Toy()
    captured = CheckedGraphs(checked=False).capture(toy.step(lambda: frozen_position(toy)))
    frozen_at = toy.host_position - 1
    outputs_of(captured.replay, 3)
    assert toy.host_position == frozen_at + 1, "a replay must not run Python"
    assert (toy.cache != 0).any(1).nonzero().flatten().tolist() == [frozen_at]


def test_a_host_value_that_the_caller_changes_is_caught_at_replay() -> None:
    toy = Toy()
    captured = CheckedGraphs().capture(toy.step(lambda: (toy.hidden[:, : 1 + toy.host_position] * 1.0,)))
    captured.replay()
    toy.host_position = 1
    outputs_of(captured.replay, 2)
    # The fourth replay is the next one that is checked.
    with pytest.raises(GraphFault, match="the host value 1 became 2"):
        captured.replay()


def test_another_constant_chosen_on_the_host_is_caught() -> None:
    toy = Toy()
    constants = [torch.tensor([index]) for index in range(8)]

    def run() -> Outputs:
        toy.host_position += 1
        toy.position.copy_(constants[toy.host_position])
        return ()

    with pytest.raises(GraphFault, match="another tensor than at capture"):
        CheckedGraphs().capture(toy.step(run))


def test_a_buffer_that_moved_is_caught() -> None:
    toy = Toy()
    captured = CheckedGraphs().capture(toy.step())
    captured.replay()
    first = toy.cache
    toy.cache = torch.cat([toy.cache, torch.zeros_like(toy.cache)])
    with pytest.raises(GraphFault, match="cache is another tensor"):
        captured.replay()
    toy.cache = first
    captured.replay()


def test_a_weight_that_moved_or_is_gone_is_caught() -> None:
    toy = Toy()
    captured = CheckedGraphs(checked=False).capture(toy.step())
    toy.layer.weight.data = toy.layer.weight.clone()
    with pytest.raises(GraphFault, match="memory that its tensor has left"):
        captured.replay()
    toy.layer = nn.Linear(4, 4)
    with pytest.raises(GraphFault, match="memory that was given back"):
        captured.replay()


def test_an_output_read_after_the_next_replay_is_caught() -> None:
    captured = CheckedGraphs().capture(Toy().step())
    hidden, best = captured.replay()
    view = hidden[0]
    assert torch.isfinite(hidden).all() and int(best) >= 0
    captured.replay()
    with pytest.raises(GraphFault, match="output 0 of replay 1 is read after replay 2"):
        hidden + 1
    with pytest.raises(GraphFault, match="output 1 of replay 1"):
        int(best)
    with pytest.raises(GraphFault, match="output 0"):
        hidden.numpy()
    assert view.isnan().all(), "a view of it holds what no step gives"


def rebinds(toy: Toy) -> Outputs:
    toy.hidden = toy.hidden + 1
    return ()


def puts_aside(toy: Toy) -> Outputs:
    toy.kept.append(toy.hidden + 1)
    return ()


def reads_an_id(toy: Toy) -> Outputs:
    toy.position.fill_(int(toy.position))
    return ()


def asks_the_host(toy: Toy) -> Outputs:
    if toy.hidden.sum() > 0:
        toy.hidden.add_(1)
    return ()


def copies_to_numpy(toy: Toy) -> Outputs:
    toy.hidden.numpy()
    return ()


def selects_by_mask(toy: Toy) -> Outputs:
    return (toy.hidden[0][toy.seen],)


def writes_by_mask(toy: Toy) -> Outputs:
    toy.hidden[0][toy.seen] = 0.0
    return ()


def finds_nonzero(toy: Toy) -> Outputs:
    return (toy.seen.nonzero(),)


def draws(toy: Toy) -> Outputs:
    return (torch.rand(2),)


def makes_a_constant(toy: Toy) -> Outputs:
    return (toy.hidden + torch.tensor([1.0, 2.0, 3.0, 4.0]),)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (rebinds, "outlives the step"),
        (puts_aside, "outlives the step"),
        (reads_an_id, "host waits"),
        (asks_the_host, "host waits"),
        (copies_to_numpy, "Tensor.numpy"),
        (selects_by_mask, "host waits"),
        (writes_by_mask, "host waits"),
        (finds_nonzero, "host waits"),
        (draws, "generator"),
        (makes_a_constant, "made of host values"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused_at_capture(run: Callable[[Toy], Outputs], message: str) -> None:
    toy = Toy()
    with pytest.raises(GraphFault, match=f"{message}.*") as fault:
        CheckedGraphs().capture(toy.step(lambda: run(toy)))
    if message != "outlives the step" or run is puts_aside:
        assert "test_stand_in.py" in str(fault.value), "the error names the line"


def test_a_key_that_was_not_captured_is_an_error_or_is_counted() -> None:
    toy = Toy()
    strict, lenient = GraphBook[int](CheckedGraphs(), "error"), GraphBook[int](CheckedGraphs(), "eager")
    for book in (strict, lenient):
        book.capture(256, toy.step())
        book.run(256, toy.step())
    with pytest.raises(GraphFault, match="toy: no graph for 512; captured: 256"):
        strict.run(512, toy.step())
    for _ in range(2):
        lenient.run(512, toy.step())
    assert lenient.fallbacks == {"toy": 2}
    assert lenient.notes() == ("graphs: toy ran eagerly 2 times",)
    assert lenient.keys == (256,) and not strict.notes()
    assert int(toy.position) == 4
