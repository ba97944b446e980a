"""What a forensic command asks of an engine beyond speaking: traces, forced codes, values taken out and put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.trace import Draws, TraceLevel


@dataclass(frozen=True)
class Site:
    """One value of a run: the output of ``point`` (a name of core.trace.Prints) at a frame and codebook.

    ``codebook`` None: at every codebook of the frame. ``call`` counts the outputs of one point at one such place.
    """

    point: str
    frame: int
    codebook: int | None = 0
    call: int = 0


# Values as the widest float or as int64; bfloat16 and float16 go to float32 and back without loss.
Value = NDArray[np.generic]
Values = Mapping[Site, Value]


@runtime_checkable
class Forensic(Protocol):
    """An engine that can be looked into."""

    @property
    def config(self) -> Config: ...

    @property
    def info(self) -> EngineInfo: ...

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        """One streamed run with its trace. Each value of ``grafts`` takes the place of the one computed there.

        CannotJudge if a site was never reached: a graft that touched nothing proves nothing.
        """
        ...

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        """One streamed run; every output of ``point`` from ``first_frame`` on."""
        ...

    def force(self, request: Request, codes: CodeArray, jitter_seed: int | None = None) -> Draws:
        """Teacher-forced: at every draw what this engine would take after the codes (T, Q) before it, and their end.

        ``jitter_seed`` moves the last bit of every module's output up or down at random: the rounding noise.
        """
        ...
