"""Engines on the reference checkpoints and the built-in."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)

from ttsctl.core.request import Chunk, End, Event, Packet  # noqa: E402
from ttsctl.engine.local import LocalEngine, load_engine  # noqa: E402
from ttsctl.engine.model.checkpoint import BUILTINS  # noqa: E402
from ttsctl.runs.resolve_config import resolve_config  # noqa: E402  after the thread count

ORACLE = Path(__file__).parent / "data" / "oracle"


def oracle_cases() -> list[Any]:
    """(checkpoint, case) of every reference case."""
    found = []
    for name in ("equal_width", "projected"):
        cases = json.loads((ORACLE / name / "expected" / "expected.json").read_text())["cases"]
        found += [pytest.param(name, case, id=f"{name}-{case['id']}") for case in cases]
    return found


def make_engine(checkpoint: str = "builtin", *sets: str) -> LocalEngine:
    name = checkpoint if checkpoint in BUILTINS else str(ORACLE / checkpoint)
    return load_engine(resolve_config({"engine": {"checkpoint": name, "device": "cpu"}}, None, list(sets)))


def packets_and_end(stream: Iterator[Event]) -> tuple[list[Packet], End]:
    """A stream's packets and its end, without its chunks, and nothing else."""
    *events, end = (event for event in stream if not isinstance(event, Chunk))
    packets = [event for event in events if isinstance(event, Packet)]
    assert isinstance(end, End) and len(packets) == len(events)
    return packets, end


def close_early(stream: Iterator[Event]) -> None:
    """Close a stream as a consumer does that wants no more of it."""
    assert isinstance(stream, Generator)
    stream.close()
