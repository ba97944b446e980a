"""The decoder's fixed step from captured graphs: one for a step that is committed and one for a step that is not."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import torch
from torch import Tensor

from ttsctl.engine.cuda.graph_book import GraphBook
from ttsctl.engine.cuda.graphs import GraphMaker, Outputs, Step
from ttsctl.engine.decode.fixed_step import STEP_FRAMES, fixed_step
from ttsctl.engine.decode.staged import StagedDecoder
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.streaming import StreamState


class DecoderGraphs:
    """A ``Stepper``. It has memory for one stream, into which a stream's state is copied for its step, and back."""

    def __init__(self, decoder: CodecDecoder, maker: GraphMaker) -> None:
        device = next(decoder.parameters()).device
        self._staged = StagedDecoder(decoder)
        self._state = decoder.new_state()
        # A stream's first step under legacy padding has another shape; the session runs that one eagerly.
        self._state.position = STEP_FRAMES
        self._codes = torch.zeros((STEP_FRAMES, decoder.sizes.num_quantizers), dtype=torch.int64, device=device)
        self._book: GraphBook[bool] = GraphBook(maker, "error")
        # Streams of several threads share the one memory.
        self._lock = threading.Lock()
        for commit in (True, False):
            self._book.capture(commit, self._step(commit))

    def step(self, codes: Tensor, state: StreamState, commit: bool) -> Tensor:
        """See ``Stepper.step``."""
        with self._lock:
            self._codes.copy_(codes)
            torch._foreach_copy_(self._state.tensors, state.tensors)
            (pcm,) = self._book.run(commit, self._step(commit))
            if commit:
                torch._foreach_copy_(state.tensors, self._state.tensors)
            return pcm.clone()

    def describe(self) -> dict[str, object]:
        """As it stands in a summary's ``in_force``."""
        captured = [f"step of {STEP_FRAMES} frames", f"step of {STEP_FRAMES} frames that leaves the state alone"]
        return {"kind": self._book.maker.kind, "captured": captured}

    def _step(self, commit: bool) -> Step:
        def run() -> Outputs:
            return (fixed_step(self._staged, self._codes, self._state, commit),)

        return Step("decoder step" if commit else "decoder step without commit", run, self._tensors)

    def _tensors(self) -> Mapping[str, Tensor]:
        named = {f"slot {number}": tensor for number, tensor in enumerate(self._state.tensors)}
        return {"codes": self._codes, **named}
