"""What ``bench cuda`` finds: checks that hold or fail, and times; plain values, so that a summary needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttsctl.core.bench_results import CHECKED
from ttsctl.core.provenance import Provenance

Outcome = Literal["pass", "fail", "skipped"]


@dataclass(frozen=True)
class CudaCheck:
    """One check: what it found or, if it failed or was skipped, why. ``size``: of the network, if it depends on it."""

    __pydantic_config__ = CHECKED
    name: str
    size: str | None
    outcome: Outcome
    found: str
    seconds: float


@dataclass(frozen=True)
class CudaFigure:
    """One measured value: ``value`` at the median and ``p95`` of ``runs``; both None with a ``reason``.

    ``limit``: what was aimed at, None where nothing was. ``setup``: the settings under which it was measured.
    """

    __pydantic_config__ = CHECKED
    name: str
    size: str
    setup: str
    unit: str
    value: float | None
    p95: float | None = None
    runs: int = 1
    limit: float | None = None
    reason: str | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the aim was reached; None without an aim or a value."""
        return None if self.limit is None or self.value is None else self.value <= self.limit


@dataclass(frozen=True)
class CudaBench:
    """All checks and figures of one device."""

    device: str
    simulated: bool
    checks: tuple[CudaCheck, ...]
    figures: tuple[CudaFigure, ...]
    in_force: dict[str, object]
    provenance: Provenance
