"""The verdicts of a gate as one row, for tables that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.core.metric import Value
from ttsctl.core.verdict import GateStatus, Verdict
from ttsctl.regress.conditions import short_hash
from ttsctl.regress.gates import GATES
from ttsctl.report.console import MISSING

# The first of these that a gate has is the status of its row.
_BY_RANK: tuple[GateStatus, ...] = ("fail", "error", "not_comparable", "pass", "skipped")


@dataclass(frozen=True)
class GateRow:
    """One gate: what it asks, its worst value and the case of that, its status, and how many verdicts have it."""

    gate: str
    asks: str
    worst: str
    where: str
    status: GateStatus
    count: str
    reason: str


def gate_rows(verdicts: Sequence[Verdict]) -> list[GateRow]:
    """One row a gate, in the order in which gates were judged."""
    by_gate: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_gate.setdefault(verdict.gate, []).append(verdict)
    return [_row(gate, found) for gate, found in by_gate.items()]


def _row(gate: str, verdicts: Sequence[Verdict]) -> GateRow:
    status = next(status for status in _BY_RANK if any(v.status == status for v in verdicts))
    same = [v for v in verdicts if v.status == status]
    worst = _worst(same)
    return GateRow(
        gate=gate,
        asks=asks(worst),
        worst=shown(worst.value),
        where=worst.where,
        status=status,
        count=f"{len(same)} of {len(verdicts)}" if len(verdicts) > 1 else "",
        reason=worst.reason or "",
    )


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict whose value is farthest from holding; the first one where there are no numbers."""
    numbers = [v for v in verdicts if isinstance(v.value, (int, float))]
    if not numbers:
        return verdicts[0]
    if numbers[0].operator in (">", ">="):
        return min(numbers, key=lambda v: float(v.value or 0))
    return max(numbers, key=lambda v: float(v.value or 0))


def asks(verdict: Verdict) -> str:
    """What a gate asks for, such as ``<= 50 ms``; ``<= baseline + 80 ms`` where no baseline gave the limit."""
    threshold = shown(verdict.threshold)
    gate = GATES.get(verdict.gate)
    if gate is not None and gate.against is not None and verdict.status in ("not_comparable", "skipped", "error"):
        words = {"plus": f"baseline + {threshold}", "times": f"baseline × {threshold}", "equal": "baseline"}
        threshold = words.get(gate.against, threshold)
    return " ".join(part for part in (verdict.operator, threshold, verdict.unit) if part)


def shown(value: Value) -> str:
    """A value for a table: four digits, the first twelve of a sha256, a dash for a missing one."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return short_hash(str(value))
