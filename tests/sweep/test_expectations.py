"""The language of expectations: read as meant, evaluated as Python would, and refused where it means nothing."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsctl.core.errors import InputError
from ttsctl.sweep.evaluate import evaluate
from ttsctl.sweep.expectation import parse_expectation
from ttsctl.sweep.metrics import Figure

METRICS = ("hash_unique", "ttfa_p50_ms", "errors")
CONDITIONS = ("none", "over-lap.2")


def parse(text: Any) -> Any:
    return parse_expectation(text, "here", METRICS, CONDITIONS)


def judged(text: Any, **values: Any) -> Any:
    """``values``: of the row at hand; of a condition as ``metric__condition``."""

    def lookup(metric: Any, condition: Any) -> Any:
        name = metric if condition is None else f"{metric}__{condition.split('-')[0]}"
        value = values.get(name)
        return Figure(value, "", None if value is not None else "not there")

    return evaluate(parse(text), lookup, lambda _: None)


OPERATORS = {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge}
NUMBERS = st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


@given(st.sampled_from(sorted(OPERATORS)), NUMBERS, NUMBERS, NUMBERS, st.integers(0, 9), st.booleans())
def test_as_python_would(sign: Any, figure: Any, other: Any, plus: Any, factor: Any, swap: Any) -> None:
    left = f"{factor} * ttfa_p50_ms[none] {'-' if plus < 0 else '+'} {abs(plus)!r}"
    right = f"ttfa_p50_ms[over-lap.2]*{factor}"
    values = {"ttfa_p50_ms__none": figure, "ttfa_p50_ms__over": other}
    sides = [(left, factor * figure + plus), (right, factor * other)]
    (a, x), (b, y) = sides[::-1] if swap else sides
    assert judged(f"{a} {sign} {b}", **values).outcome == ("holds" if OPERATORS[sign](x, y) else "fails")


@pytest.mark.parametrize(
    ("text", "values", "outcome"),
    [
        ("hash_unique == 1", {"hash_unique": 1}, "holds"),
        ("hash_unique==1", {"hash_unique": 2}, "fails"),
        ("1 >= hash_unique", {"hash_unique": 2}, "fails"),
        ("ttfa_p50_ms > -1", {"ttfa_p50_ms": 0.0}, "holds"),
        ("-ttfa_p50_ms < 0", {"ttfa_p50_ms": 1.0}, None),
        ("hash_unique == 1", {}, "not judged"),
        ("hash_unique != 1", {}, "not judged"),
        ("hash_unique == 1 and errors == 0", {"hash_unique": 1, "errors": 0}, "holds"),
        ("hash_unique == 1 and errors == 0", {"hash_unique": 1, "errors": 1}, "fails"),
        # What is false stays false, whatever else is missing; what is true does not.
        ("hash_unique == 1 and errors == 0", {"errors": 1}, "fails"),
        ("hash_unique == 1 and errors == 0", {"errors": 0}, "not judged"),
        ("ttfa_p50_ms[none] <= 2e2", {"ttfa_p50_ms__none": 200}, "holds"),
    ],
)
def test_outcomes(text: Any, values: Any, outcome: Any) -> None:
    if outcome is None:
        with pytest.raises(InputError):
            judged(text, **values)
    else:
        assert judged(text, **values).outcome == outcome


def test_the_detail_has_the_figures() -> None:
    found = judged("2 * ttfa_p50_ms[none] + 3 <= 10", ttfa_p50_ms__none=4)
    assert (found.outcome, found.detail) == ("fails", "ttfa_p50_ms[none] = 4")
    assert judged("errors == 0").detail == "errors: not there"


@pytest.mark.parametrize(
    "text",
    [
        "hash_unique",
        "hash_unique = 1",
        "hash_unique == ",
        "== 1",
        "hash_unique == 1 or errors == 0",
        "hash_unique == 1 errors == 0",
        "hash_unique == 1 and",
        "hash_unique == 'x'",
        "hash_unique == 1; import os",
        "1 == 1",
        "hash_unique[none == 1",
        "hash_unique + errors == 1",
        "__import__ == 1",
        "hash_unique.real == 1",
        "hash_unique(1) == 1",
        "(hash_unique == 1)",
        "",
    ],
)
def test_what_means_nothing_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match="here: "):
        parse(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("hash_unique = 1", "'= 1'"),
        ("hash_unique == ", "its end"),
        ("", "its end"),
        ("errors == 0 or hash_unique == 1", "'or hash_unique == 1'"),
        ("0 < errors < 2", "'< errors < 2'"),
        ("errors == ttfa_p50_ms[over-lap.2] + errors", "'errors'"),
        ("errors[over-lap.2] == 1_000", "'1_000'"),
        ("errors == 1 # always", "'# always'"),
        ("errors == " + "-" * 100_000 + "1", "'errors == ---"),
    ],
)
def test_the_place_is_named(text: Any, part: Any) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert f"at {part}" in str(error.value)
