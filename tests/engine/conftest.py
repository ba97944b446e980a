"""The engine's fixtures: every reference case, and the built-in loaded once."""

from __future__ import annotations

import pytest

from tests.engine_help import make_engine, oracle_cases
from ttsctl.core.config import Config
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.switches import set_workspace

# A test may start CUDA without an engine, and cuBLAS reads its workspace only then: strict would be refused afterwards.
set_workspace(Config())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"checkpoint", "case"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("checkpoint", "case"), oracle_cases())


@pytest.fixture(scope="session")
def builtin() -> LocalEngine:
    return make_engine()
