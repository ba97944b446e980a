"""``ttsctl bench cuda`` on the simulated device, small and without times: ``python -m tests.simcuda.bench OUT``.

The summary goes to stdout. OUT: where its run folder goes.
"""

from __future__ import annotations

import sys

from tests.simcuda.install import before_the_engine, install

before_the_engine()

from ttsctl.cli.main import run  # noqa: E402  after what the engine takes from torch is in place

# The built-in has all that a frame has; a released size would take an hour here.
LINE = (
    *("bench", "cuda", "--size", "builtin", "--frames", "2", "--packet", "2", "--runs", "1"),
    *("--no-times", "--no-tests", "--json"),
)

if __name__ == "__main__":
    install()
    run([*LINE, "--out", sys.argv[1]])
