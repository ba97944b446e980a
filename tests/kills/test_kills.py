"""Three kills out of those that ``python -m tests.kills.harness`` makes by the dozen."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.kills.harness import Harness


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see which processes there are")
def test_nothing_is_half_written_and_the_next_run_is_fine(tmp_path: Path) -> None:
    harness = Harness(tmp_path / "killed")
    # The first while it works, where something is left to be swept; the other two in the middle and at the end.
    kills = [
        harness.kill("synth", signal.SIGKILL, 0.8),
        harness.kill("synth", signal.SIGHUP, 0.5),
        harness.kill("synth", signal.SIGTERM, 0.95),
    ]
    assert [kill.wrong for kill in kills] == [(), (), ()], kills
