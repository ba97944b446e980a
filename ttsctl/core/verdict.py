"""What was measured, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["pass", "fail", "error", "not_comparable", "skipped"]


@dataclass(frozen=True)
class Observation:
    """One measured value with its unit; ``value`` is None exactly when ``reason`` says why it is missing."""

    name: str
    value: float | int | str | bool | None
    unit: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"observation {self.name}: a missing value needs a reason, a value must have none")


@dataclass(frozen=True)
class Verdict:
    """One gate judged on one thing: ``gate op threshold`` against ``value``.

    ``where`` is the case, or "" over all. A missing value is never "pass". "not_comparable" says that the gate
    was asked for but its reference is no fair one, with ``reason``; "skipped" that the suite does not ask for it.
    """

    gate: str
    status: Status
    operator: str
    threshold: float | int | str | bool | None
    value: float | int | str | bool | None
    unit: str = ""
    where: str = ""
    reason: str | None = None
