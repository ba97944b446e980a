"""The engine's fixtures: every reference case, and the built-in loaded once."""

from __future__ import annotations

import pytest

from tests.engine_help import make_engine, oracle_cases
from ttsctl.engine.local import LocalEngine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"checkpoint", "case"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("checkpoint", "case"), oracle_cases())


@pytest.fixture(scope="session")
def builtin() -> LocalEngine:
    return make_engine()
