"""The figures of all cases together: the distribution of each numeric metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttsctl.core.metric import metric
from ttsctl.regress.measure import Observations

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Aggregate:
    """The distribution of a metric over the ``n`` cases that have it; None, with ``reason``, where n is 0."""

    p50: float | None
    p95: float | None
    max: float | None
    n: int
    unit: str
    reason: str | None


def aggregate_cases(cases: Sequence[Observations]) -> dict[str, Aggregate]:
    """The distribution of each numeric metric by name, in the order in which the cases name them."""
    # pandas takes long to load, and whoever only reads the model of the summary does not need it.
    import pandas as pd

    names = dict.fromkeys(name for case in cases for name in case if not _is_text(name, cases))
    # One row a case, one column a metric.
    rows = [{name: o.value for name, o in case.items() if name in names} for case in cases]
    table = pd.DataFrame(rows, columns=list(names)).astype(float)
    return {name: _aggregate(name, table[name].dropna(), cases) for name in names}


def _is_text(name: str, cases: Sequence[Observations]) -> bool:
    return any(isinstance(case[name].value, str) for case in cases if name in case)


def _aggregate(name: str, values: pd.Series[float], cases: Sequence[Observations]) -> Aggregate:
    unit = metric(name).unit
    if values.empty:
        reasons = sorted({reason for case in cases if name in case and (reason := case[name].reason)})
        return Aggregate(None, None, None, 0, unit, "; ".join(reasons) or "no case ran")
    p50, p95 = values.quantile([0.5, 0.95])
    return Aggregate(float(p50), float(p95), float(values.max()), len(values), unit, None)
