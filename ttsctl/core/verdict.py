"""One gate, judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttsctl.core.metric import Value

GateStatus = Literal["pass", "fail", "error", "not_comparable", "skipped"]


@dataclass(frozen=True)
class Verdict:
    """One gate judged on one thing: ``gate op threshold`` against ``value``.

    ``where`` is the case, or "" over all. A missing value is never "pass". "not_comparable": the suite asks for the
    gate, but the baseline is not comparable, with ``reason``. "skipped": the suite does not ask for it.
    """

    gate: str
    status: GateStatus
    operator: str
    threshold: Value
    value: Value
    unit: str = ""
    where: str = ""
    reason: str | None = None
