"""The frame function from captured graphs: one state, captured at load, lent to one request at a time."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from ttsctl.core.config import GraphsConfig
from ttsctl.engine.codegen.draws import DrawShape, PhiloxNoise
from ttsctl.engine.codegen.frame import FrameFunction
from ttsctl.engine.codegen.frame_state import FrameState
from ttsctl.engine.codegen.sampling import SamplingPlan
from ttsctl.engine.cuda.graph_book import GraphBook
from ttsctl.engine.cuda.graphs import GraphMaker, Outputs, Step
from ttsctl.engine.model.fixed_cache import FIRST_REACH, reach_of

# Positions of a prompt that graphs leave room for, beside those of the tokens. A longer one is spoken eagerly.
PROMPT_ROOM = 256


@dataclass(frozen=True)
class FrameSizes:
    """What a request asks of a FrameState: sequences in its batch, positions, tokens and text rows of each."""

    batch: int
    positions: int
    tokens: int
    texts: int


class FrameGraphs:
    """Captured frames of one batch, and the state on which they work.

    ``graphs.talker`` captures the talker's step, ``graphs.predictor`` the draws and the predictor, both together one
    graph for all of a frame; each for every reach of attention that the cap allows.
    """

    def __init__(
        self, function: FrameFunction, plan: SamplingPlan, batch: int, maker: GraphMaker, which: GraphsConfig
    ) -> None:
        most = function.talker.sizes.talker.max_position_embeddings
        tokens = min(most, plan.max_new_tokens)
        positions = reach_of(min(most, tokens + PROMPT_ROOM))
        self.room = FrameSizes(batch, positions, tokens, max(tokens, PROMPT_ROOM))
        self.function = function
        self.state = FrameState.new(function.talker, batch, positions, tokens, self.room.texts)
        self.book = GraphBook[str | tuple[str, int]](maker, "error")
        self._which = which
        self._noise = PhiloxNoise()
        self._shapes = (DrawShape.of([plan.talker]), DrawShape.of([plan.predictor]))
        self._borrower: weakref.ref[object] | None = None
        self._capture(plan)

    def why_not(self, plan: SamplingPlan, sizes: FrameSizes) -> str | None:
        """Why a request under this plan and of these sizes must be spoken eagerly; None if it need not."""
        if (DrawShape.of([plan.talker]), DrawShape.of([plan.predictor])) != self._shapes:
            return "its draws have other steps than those captured"
        if sizes.batch != self.room.batch:
            return f"its batch is {sizes.batch}, and {self.room.batch} is captured"
        if sizes.positions > self.room.positions or sizes.tokens > self.room.tokens or sizes.texts > self.room.texts:
            return f"it needs {sizes}, and {self.room} is captured"
        if self._borrower is not None and self._borrower() is not None:
            return "another request has the graphs' memory"
        return None

    def lend(self, borrower: object) -> None:
        """Note down the object for whose lifetime nobody else may have the state."""
        self._borrower = weakref.ref(borrower)

    def take_back(self) -> None:
        """Its request has ended."""
        self._borrower = None

    def frame(self, first: bool, reach: int) -> None:
        """The next frame of the state: after a prompt (``first``) without a step of the talker."""
        if first:
            self._run("draws", self._draws(), self._which.predictor)
        elif self._which.talker and self._which.predictor:
            self.book.run(("frame", reach), self._whole(reach))
        else:
            self._run(("talker", reach), self._advance(reach), self._which.talker)
            self._run("draws", self._draws(), self._which.predictor)

    def describe(self) -> dict[str, object]:
        """As it stands in a summary's ``in_force``."""
        captured = [key if isinstance(key, str) else f"{key[0]} {key[1]}" for key in self.book.keys]
        return {"kind": self.book.maker.kind, "captured": captured}

    def _run(self, key: str | tuple[str, int], step: Step, captured: bool) -> None:
        if captured:
            self.book.run(key, step)
        else:
            step.run()

    def _capture(self, plan: SamplingPlan) -> None:
        """Capture on a state that holds a request of no text; every later request is written over it."""
        for sequence in range(self.state.batch):
            self.state.begin(sequence, 0, plan, self.state.texts[sequence, :1].clone())
        # A frame reads the place before its own: the capture begins where a first step of the talker would.
        self.state.frame.fill_(1)
        if self._which.predictor:
            self.book.capture("draws", self._draws())
        reach = FIRST_REACH
        while self._which.talker and reach <= self.room.positions:
            whole = self._which.predictor
            key, step = ("frame", self._whole(reach)) if whole else ("talker", self._advance(reach))
            self.book.capture((key, reach), step)
            reach *= 2

    def _advance(self, reach: int) -> Step:
        return self._step("advance", lambda: self.function.advance(self.state, reach))

    def _draws(self) -> Step:
        return self._step("draws", self._draw)

    def _whole(self, reach: int) -> Step:
        def run() -> None:
            self.function.advance(self.state, reach)
            self._draw()

        return self._step("frame", run)

    def _draw(self) -> None:
        self.function.draw_group0(self.state, self._noise)
        self.function.predict(self.state, self._noise)

    def _step(self, name: str, run: Callable[[], None]) -> Step:
        def returns_nothing() -> Outputs:
            run()
            return ()

        return Step(name, returns_nothing, lambda: tensors_of(self.state))


def tensors_of(state: object, prefix: str = "") -> Mapping[str, Tensor]:
    """The tensors in an object's attributes and in theirs, by their path."""
    found: dict[str, Tensor] = {}
    for name, value in vars(state).items():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = value
        elif hasattr(value, "__dict__"):
            found.update(tensors_of(value, f"{prefix}{name}."))
    return found
