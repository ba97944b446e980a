"""The metric table: every name has a unit, a type and a sentence, and a name that it lacks raises."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from ttsctl.core.metric import MetricType, Observation, definitions_of, metric, metrics, observed
from ttsctl.regress.gates import GATES
from ttsctl.sweep.metrics import METRICS, unit_of


def test_every_metric_is_whole() -> None:
    assert len(metrics()) > 100
    for name, found in metrics().items():
        assert found.name == name and found.type in get_args(MetricType)
        assert found.definition.endswith(".") and len(found.definition) > 10
        if name.endswith("_ms"):
            assert found.unit == "ms", name
        if name.endswith("_db"):
            assert found.unit == "dB", name


def test_an_unknown_name_raises() -> None:
    for lookup in (metric, definitions_of, lambda name: observed(name, 1.0)):
        with pytest.raises(KeyError, match="no_such_metric"):
            lookup("no_such_metric")


def test_gates_and_rows_are_about_metrics_of_the_table() -> None:
    for gate in GATES.values():
        assert gate.unit == metric(gate.metric).unit, gate.name
    assert unit_of("ttfa_p95_ms") == "ms" and unit_of("rtf_p50") == ""
    assert all(isinstance(unit_of(name), str) for name in METRICS)
    with pytest.raises(KeyError):
        unit_of("ttfa_p99_ms")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_value_is_missing_with_a_reason(value: float | None) -> None:
    found = observed("ttfa_ms", value)
    assert found.value is None and found.reason and found.unit == "ms"
    assert observed("ttfa_ms", 1.5) == Observation("ttfa_ms", 1.5, "ms")
