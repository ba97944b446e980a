"""Probes: the places at which a run can be recorded or changed. These do nothing, and cost a call each.

Code generation and the decode sessions say where they are (``at``, ``step``), pass every value of a stage through
``value``, and say when they pause (``pause``). Modules know nothing of probes: a recorder hooks those whose values it
needs for as long as ``attached`` lasts.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn

from ttsctl.core.forensic import Site
from ttsctl.core.trace import Draws, Prints, no_draws, no_prints
from ttsctl.engine.codegen.sampling import Sampler


class CodegenProbes:
    """The probes of code generation: one object a request, used by the thread that generates."""

    # Whether anything is to be recorded or changed; the values of a voice's encoding too, which else is done once a
    # voice.
    records: bool = False
    # Codes (T, groups) to take in place of those drawn, then the end token; None = take what is drawn.
    forced: Tensor | None = None

    @property
    def unreached(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not reach."""
        return ()

    def attached(self) -> AbstractContextManager[None]:
        """Surrounds everything that computes; a generator that is dropped leaves it too."""
        return nullcontext()

    def at(self, stage: str, frame: int, codebook: int = 0) -> None:
        """What is computed from now until ``pause`` or the next ``at`` is of this stage, frame and codebook."""

    def inside(self, name: str, network: nn.Module) -> AbstractContextManager[None]:
        """Surrounds what a voice's encoder computes; paths of its modules start with ``name``."""
        return nullcontext()

    def sits(self, batch: int, sequence: int) -> None:
        """From now on values hold ``batch`` sequences, one after another; the request's own is ``sequence``."""

    def pause(self) -> None:
        """The generation pauses: what runs now on this network belongs to another request."""

    def value(self, point: str, value: Tensor) -> Tensor:
        """A stage's value (rows, …) -> the one to go on with."""
        return value

    def drawn(self, code: Tensor, logits: Tensor, scores: Tensor, sampler: Sampler) -> Tensor:
        """The id (int64 scalar) that ``scores`` (vocab,) decided on processed ``logits`` (vocab,) -> the id to take."""
        return code

    def finish(self) -> tuple[Draws, Prints]:
        """What was recorded, once the last frame is drawn."""
        return no_draws(), no_prints()


class DecodeProbes:
    """The probes of decoding: one object a request, used by the thread that decodes."""

    @property
    def records(self) -> bool:
        """Whether a value may be recorded or altered: only these probes, which do nothing, promise that none is."""
        return type(self) is not DecodeProbes

    @property
    def unreached(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not reach."""
        return ()

    def attached(self) -> AbstractContextManager[None]:
        """Surrounds everything that computes."""
        return nullcontext()

    def step(self, grid: int, first: int, stop: int, end: int) -> None:
        """A decoder call begins. Its rows end with frame ``end`` (excluded).

        Frames ``first`` to ``stop`` (excluded) are decoded for the first time; those from ``grid`` to ``first`` are
        decoded again with the same bits; the rest is context, or padding after ``stop``.
        """

    def pause(self) -> None:
        """The decoder call is over."""

    def value(self, point: str, value: Tensor) -> Tensor:
        """A stage's value, rows from the call's first frame to its last -> the one to go on with."""
        return value

    def finish(self) -> Prints:
        """What was recorded, once the last packet is decoded."""
        return no_prints()
