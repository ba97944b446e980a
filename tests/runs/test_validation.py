"""What pydantic refuses is one line: the place, what was expected, what came, what to do."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ttsctl.core.errors import nearest
from ttsctl.core.validation import Location, input_error


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    count: int = 1
    inner: list[Inner] = []


def refused(value: object, kind: Any = Outer) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value


def hint(location: Location) -> str:
    return nearest(str(location[-1]), ["count", "inner"] if len(location) == 1 else ["name"])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"count": "3"}, "file x: count: Input should be a valid integer, got '3'; correct the value"),
        ({"inner": [{"name": "a"}, {"name": 2}]}, "file x: inner.1.name: Input should be a valid string, got 2"),
        ({"cuont": 3}, "file x: unknown key 'cuont'; did you mean 'count'?"),
        ({"inner": [{"name": "a", "nam": 1}]}, "file x: unknown key 'inner.0.nam'; did you mean 'name'?"),
        ({"inner": [{}]}, "file x: inner.0.name: expected a value, got none; add the key"),
    ],
)
def test_what_people_write(value: object, says: str) -> None:
    assert str(input_error("file x", refused(value), hint)).startswith(says)


def test_what_programs_write() -> None:
    """Nobody can add a key to it, so it says what to do instead."""
    remake = "make it again"
    assert str(input_error("file x", refused({"cuont": 3}), fix=remake)) == (
        "file x: cuont: Extra inputs are not permitted, got 3; make it again"
    )
    assert str(input_error("file x", refused({"inner": [{}]}), fix=remake, note=" (id 'a')")) == (
        "file x: inner.0.name (id 'a'): Field required; make it again"
    )


def test_a_value_without_a_key() -> None:
    assert str(input_error("option", refused("x" * 500, int))).startswith("option: Input should be a valid integer")
    assert len(str(input_error("option", refused("x" * 500, int)))) < 220
