"""Running a suite of the fake engine in one call."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.fakes import FakeEngine
from tests.regress.regress_fakes import Run, write_suite
from ttsctl.core.config import Config
from ttsctl.regress.run import SuiteResult, run_suite
from ttsctl.regress.suite import load_suite


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run(engine, body=…, gates=…, baseline=…)`` -> result; each call's files lie in ``tmp_path / "run<n>"``."""
    numbers = itertools.count()

    def once(
        engine: FakeEngine,
        *,
        body: str = "",
        gates: str = "",
        texts: tuple[str, ...] = ("long_01", "short_01"),
        baseline: Path | None = None,
        writing: bool = False,
        config: Config | None = None,
    ) -> SuiteResult:
        suite = load_suite(write_suite(tmp_path / "suite", body, gates, texts))
        folder = tmp_path / f"run{next(numbers)}"
        config = config or engine.config
        return run_suite(suite, config, lambda: engine, baseline, writing, folder, grace_s=0.2)

    return once
