"""What a metric is, and one measured value of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ttsctl.core.files import read_toml

MetricType = Literal["number", "count", "flag", "text", "list", "table"]
Value = float | int | str | bool | None


@dataclass(frozen=True)
class Metric:
    """A metric by name: its ``unit`` ("" where it has none), its ``type``, and the sentence that defines it.

    ``row``: a sweep's table has it.
    """

    name: str
    unit: str
    type: MetricType
    definition: str
    row: bool = False

    @property
    def signed(self) -> bool:
        """Whether it may be below zero: a level in dB, or a shift. All else that is measured is an amount."""
        return self.unit == "dB" or self.name == "offset_ms"


@dataclass(frozen=True)
class Observation:
    """One measured value with its unit; ``value`` is None exactly when ``reason`` says why it is missing."""

    name: str
    value: Value
    unit: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"observation {self.name}: a missing value needs a reason, a value must have none")


@cache
def metrics() -> MappingProxyType[str, Metric]:
    """Every metric by name, from ``metrics.toml``."""
    table = read_toml(Path(__file__).with_name("metrics.toml"), "metrics")
    return MappingProxyType({name: Metric(name, **entry) for name, entry in table.items()})


def metric(name: str) -> Metric:
    """The metric of this name. KeyError for an unknown one: none goes undefined or without a unit."""
    try:
        return metrics()[name]
    except KeyError:
        raise KeyError(
            f"metric {name!r}: expected one of core.metric_table, got an unknown name; add it there"
        ) from None


def definitions_of(*names: str) -> dict[str, str]:
    """The sentence that defines each named metric, by name. KeyError for an unknown one."""
    return {name: metric(name).definition for name in sorted(set(names))}


def observed(name: str, value: Value, why_missing: str | None = None) -> Observation:
    """An observation of a metric of the table. A value that is None, NaN or infinite becomes missing, with a reason."""
    if isinstance(value, float) and not math.isfinite(value):
        value, why_missing = None, f"it came out as {value}"
    unit = metric(name).unit
    if value is None:
        return Observation(name, None, unit, why_missing or "not known")
    return Observation(name, value, unit)
