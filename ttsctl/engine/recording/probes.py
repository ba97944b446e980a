"""What looks into a run. These look at nothing: a run that is not recorded pays for a call, and no more.

Code generation and the decode sessions tell where they are (``at``, ``step``), hand every value of a stage through
``value``, and say when they stand still (``rest``). Modules tell nothing of themselves: whoever wants their values
hooks them for the length of ``watching``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

from ttsctl.core.forensic import Site
from ttsctl.core.trace import Draws, Prints, no_draws, no_prints
from ttsctl.engine.codegen.sampling import Sampler


class CodegenTaps:
    """Looks into code generation: one object a request, used by the thread that generates."""

    # Codes (T, groups) to take instead of those drawn, with the end after them; None = as drawn.
    forced: Tensor | None = None

    @property
    def unmet(self) -> tuple[Site, ...]:
        """Where a value was to be put in, and the run did not come by."""
        return ()

    def watching(self) -> AbstractContextManager[None]:
        """Around everything that computes; a generator that is dropped leaves it too."""
        return nullcontext()

    def at(self, stage: str, frame: int, codebook: int = 0) -> None:
        """What comes now, until ``rest`` or another place, is of this stage, frame and codebook."""

    def rest(self) -> None:
        """The generation stands still: what runs now on this network is another request's."""

    def value(self, point: str, value: Tensor) -> Tensor:
        """A stage's value -> the one to go on with."""
        return value

    def drawn(self, code: Tensor, logits: Tensor, scores: Tensor, sampler: Sampler) -> Tensor:
        """The id (int64 scalar) that ``scores`` (vocab,) decided on processed ``logits`` (vocab,) -> the id to take."""
        return code

    def finish(self) -> tuple[Draws, Prints]:
        """What was seen, once the last frame is drawn."""
        return no_draws(), no_prints()


class DecodeTaps:
    """Looks into decoding: one object a request, used by the thread that decodes."""

    @property
    def unmet(self) -> tuple[Site, ...]:
        """Where a value was to be put in, and the run did not come by."""
        return ()

    def watching(self) -> AbstractContextManager[None]:
        """Around everything that computes."""
        return nullcontext()

    def step(self, grid: int, first: int, stop: int, end: int) -> None:
        """A decoder call begins, whose rows end with frame ``end`` (excluded).

        Frames ``first`` to ``stop`` (excluded) are decoded for the first time; those from ``grid`` to ``first`` are run
        again with the same bits; all others are context, or padding after ``stop``.
        """

    def rest(self) -> None:
        """The decoder call is over."""

    def value(self, point: str, value: Tensor) -> Tensor:
        """A stage's value, rows from the call's first frame to its last -> the one to go on with."""
        return value

    def finish(self) -> Prints:
        """What was seen, once the last packet is decoded."""
        return no_prints()
