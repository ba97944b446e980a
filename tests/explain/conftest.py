"""The checkpoint of near-ties, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.near_tie import write_near_tie


@pytest.fixture(scope="session")
def near_tie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_near_tie(tmp_path_factory.mktemp("near_tie"))
