"""The long run is for whoever asks for it: any other ``-m`` on the command line replaces one in pyproject.toml."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "fuzz" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("fuzz"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: pytest -m fuzz"))
