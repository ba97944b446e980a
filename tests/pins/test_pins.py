"""Every command's summary.json and its schema are as they were approved; figures of time only by their presence."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pins.pinned import PINS, differences, schemas, summaries

NAMES = sorted(path.stem for path in PINS.glob("*.json") if path.stem != "schema")


def pin(name: str) -> Any:
    return json.loads((PINS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    yield dict(summaries(tmp_path_factory.mktemp("pins")))
    for number, handler in kept:
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_summary_is_as_pinned(found: dict[str, Any], name: str) -> None:
    assert differences(pin(name), found[name]) == []


@pytest.mark.slow
def test_every_command_is_pinned(found: dict[str, Any]) -> None:
    assert set(found) == set(NAMES)


def test_the_schemas_are_as_pinned() -> None:
    assert differences(pin("schema"), json.loads(json.dumps(schemas()))) == []


def test_a_change_is_seen() -> None:
    summary = pin("synth")
    assert differences(summary, {**summary, "frames": summary["frames"] + 1})
    assert differences(summary, {name: value for name, value in summary.items() if name != "frames"})
    assert differences({"mae": 0.5}, {"mae": 0.52}) and not differences({"mae": 0.5}, {"mae": 0.501})
