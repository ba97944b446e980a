"""The metrics of a row of the table: their names, which are the words of an expectation, and a figure for each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

from ttsctl.core.metric import metric, metrics

# The times of a run; a row has the median, the 95th percentile and the longest of each over all clean runs.
TIMED = (
    "ttfa_ms",
    "ttfp_ms",
    "code_ms",
    "decode_first_ms",
    "decode_ms",
    "queue_wait_ms",
    "rtf",
    "total_s",
    "wall_rtf",
)
COUNTED = tuple(name for name, found in metrics().items() if found.row)
MAXIMUM = 100
PERCENTILES = (50, 95, MAXIMUM)


def percentile_name(timing: str, q: int) -> str:
    """``ttfa_ms`` -> ``ttfa_p50_ms``, ``ttfa_max_ms``; ``total_s`` -> ``total_p50_s``; ``rtf`` -> ``rtf_p50``."""
    unit = next((unit for unit in ("_ms", "_s") if timing.endswith(unit)), "")
    return f"{timing.removesuffix(unit)}_{'max' if q == MAXIMUM else f'p{q}'}{unit}"


# Percentile -> what was timed, and which percentile of it.
TIMED_PERCENTILES = MappingProxyType({percentile_name(name, q): (name, q) for name in TIMED for q in PERCENTILES})
METRICS = (*COUNTED, *TIMED_PERCENTILES)


def unit_of(name: str) -> str:
    """The unit of a metric of a row; a percentile's is that of what was timed. KeyError for an unknown name."""
    return metric(TIMED_PERCENTILES[name][0] if name in TIMED_PERCENTILES else name).unit


# The metrics that failed runs are part of.
COUNTS = frozenset({"runs", "errors"})
# The metrics whose value says only as much as there are runs behind it.
DRIFT_METRICS = frozenset(
    {
        "hash_unique",
        "first_packet_hash_unique",
        "pcm_hash_unique",
        "drifted_runs",
        "reference_codes_differ",
        "reference_pcm_differ",
        "topk_ids_differ",
        "topk_logits_differ",
        "draws_unique",
        "pops_unique",
    }
)


@dataclass(frozen=True)
class Figure:
    """The value of a metric in a row. Unlike a core.metric.Observation it has no name: its key in the row is the name.

    ``value`` is None exactly when ``reason`` says why it is missing.
    """

    value: float | int | None
    unit: str
    reason: str | None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("figure: a missing value needs a reason, a value must have none")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"figure: expected a finite value, got {self.value}")


def figure(name: str, value: float | int | None, why_missing: str = "") -> Figure:
    """A figure with the unit of its metric. KeyError for an unknown metric."""
    return Figure(value, unit_of(name), None if value is not None else why_missing or "not known")


def missing(name: str, reason: str) -> Figure:
    """The figure of a metric that has no value, for this reason. KeyError for an unknown metric."""
    return figure(name, None, reason)
