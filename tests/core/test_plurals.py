"""Counts read as people write them, in headlines too."""

from __future__ import annotations

import pytest

from ttsctl.core.plurals import counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 runs"), (1, "1 run"), (-1, "-1 run"), (2, "2 runs")])
def test_one_is_not_plural(number: int, said: str) -> None:
    assert counted(number, "run") == said
