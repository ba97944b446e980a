"""Which limits a suite may set: a gate that nothing can fail, or that asks for the fault it is there for, is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ttsctl.core.errors import InputError
from ttsctl.core.metric import metric
from ttsctl.regress.gates import Gate, Operator, Threshold

LEAVE_OUT = "write {} = false to leave the gate out"
# A gate keeps the side on which its metric is worse: by its own operator, those that a suite may choose.
_SAME_SIDE: Mapping[Operator, tuple[Operator, ...]] = MappingProxyType(
    {
        "<": ("<", "<=", "=="),
        "<=": ("<=", "<", "=="),
        "==": ("==", "<=", "<"),
        ">=": (">=", ">", "=="),
        ">": (">", ">=", "=="),
        "!=": ("!=",),
    }
)


def check_threshold(
    gate: Gate, operator: Operator, threshold: Threshold | None, where: str, *, given: bool, on: bool
) -> None:
    """InputError if the gate cannot be judged with this operator and threshold, or if it would say nothing.

    ``given``: the suite sets the threshold. ``on``: it asks for the gate. ``where``: the start of an error's message.
    """
    if gate.against == "equal":
        if given or operator != "==":
            raise InputError(f"{where}: is compared with the baseline's own value", "leave operator and threshold out")
        return
    if threshold is None:
        if on:
            raise InputError(f"{where}: has no default threshold", f"set one in {gate.unit}")
        return
    if isinstance(gate.threshold, bool) != isinstance(threshold, bool) or not _is_finite(threshold):
        kind = "true or false" if isinstance(gate.threshold, bool) else "a finite number"
        raise InputError(f"{where}: expected {kind} as threshold, got {threshold!r:.40}", "correct the value")
    if isinstance(threshold, bool):
        _check_flag(gate, operator, threshold, where)
    else:
        _check_number(gate, operator, threshold, where)


def _check_flag(gate: Gate, operator: Operator, threshold: bool, where: str) -> None:
    if operator not in ("==", "!="):
        raise InputError(f"{where}: expected == or != for true or false, got {operator!r}", "correct the operator")
    if (operator == "==") != (threshold == gate.threshold):
        raise InputError(f"{where}: asks for the opposite of: {gate.about}", LEAVE_OUT.format(gate.name))


def _check_number(gate: Gate, operator: Operator, threshold: float, where: str) -> None:
    sides = _SAME_SIDE[gate.operator]
    if operator not in sides:
        raise InputError(f"{where}: expected one of {' '.join(sides)}, got {operator!r}", f"it asks that {gate.about}")
    if gate.operator == operator == "==" and threshold != gate.threshold:
        allowed = f'write {{ operator = "<=", threshold = {threshold:g} }} to allow more'
        raise InputError(f"{where}: == {threshold:g} asks for the fault: {gate.about}", allowed)
    if gate.against == "times" and threshold <= 0:
        raise InputError(f"{where}: expected a factor above 0, got {threshold:g}", "correct the value")
    if gate.against in ("plus", "times"):
        return
    measured = metric(gate.metric)
    if not measured.signed and threshold < 0:
        raise InputError(f"{where}: expected 0 or more, got {threshold:g}", f"{gate.metric} is never below 0")
    always = not measured.signed and operator == ">=" and threshold == 0
    if always or (measured.type == "flag" and threshold >= 1 and (operator, threshold) != ("<", 1)):
        words = f"{gate.metric} {operator} {threshold:g}"
        raise InputError(f"{where}: {words} holds for every value", LEAVE_OUT.format(gate.name))


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
