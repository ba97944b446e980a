"""A damaged file of any kind is read, or refused by an error made for users; the same files in every run."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz import harness
from tests.fuzz.mutations import damaged
from tests.fuzz.readers import READERS, Reader, outcome
from ttsctl.core.errors import InputError

FAST = [name for name in READERS if not name.startswith("checkpoint")]


@cache
def whole(name: str) -> bytes:
    return READERS[name].whole()


@pytest.mark.parametrize("name", READERS)
def test_the_whole_file_is_read(name: str, tmp_path: Path) -> None:
    """The control."""
    assert outcome(READERS[name], whole(name), tmp_path) == "read"


def read_damaged(name: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(READERS[name], damaged(whole(name), seed), Path(folder)) in ("read", "InputError")


@pytest.mark.parametrize("name", FAST)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_damage(name: str, seed: int) -> None:
    read_damaged(name, seed)


@pytest.mark.parametrize("name", [name for name in READERS if name not in FAST])
@settings(max_examples=6)
@given(seed=st.integers(0, 2**32))
def test_damage_to_a_checkpoint(name: str, seed: int) -> None:
    read_damaged(name, seed)


@pytest.mark.parametrize("name", ["config", "suite", "experiment", "texts", "meta", "set", ".npy", ".pt", "trace"])
@settings(max_examples=25)
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
@example(content=b"")
def test_what_was_never_such_a_file(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(READERS[name], content, Path(folder)) in ("read", "InputError")


@pytest.mark.slow
def test_the_harness_finds_what_it_looks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The control: readers that crash, hang, fill the memory and raise; each is found, and the rest is done."""
    monkeypatch.setattr(harness, "READERS", FAULTY)
    monkeypatch.setattr(harness, "TIMEOUT_S", 1.0)
    report = harness.fuzz(8, names=tuple(FAULTY))
    assert {name for name, came in report.outcomes if came in ("crash", "hang", "fault")} == {"crash", "hang", "fault"}
    assert report.outcomes.total() == 8 and report.outcomes["good", "InputError"] == 2
    assert len(report.faults) == 6


def _crash(path: Path) -> object:
    if _damaged(path):
        signal.raise_signal(signal.SIGKILL)
    return path


def _hang(path: Path) -> object:
    if _damaged(path):
        time.sleep(60)
    return path


def _fault(path: Path) -> object:
    return 1 // 0 if _damaged(path) else path


def _good(path: Path) -> object:
    if _damaged(path):
        raise InputError("damaged")
    return path


def _damaged(path: Path) -> bool:
    return path.parent.name != "whole"


def _faulty(read: Callable[[Path], object]) -> Reader:
    return Reader("x", "x".encode, read)


FAULTY = {"crash": _faulty(_crash), "hang": _faulty(_hang), "fault": _faulty(_fault), "good": _faulty(_good)}


@pytest.mark.fuzz
def test_thousands() -> None:
    report = harness.fuzz(5000, first=1_000_000)
    assert not report.faults
