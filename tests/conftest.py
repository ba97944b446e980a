"""What every test needs: one thread for torch, signals that work, and no way to end pytest."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

ORACLE = Path(__file__).parent / "data" / "oracle"

# The same examples in every run: a red run must be red again for whoever looks into it. No deadline for one example: a
# busy machine is no failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


# A shell without job control has what it starts with "&" ignore Ctrl-C, and nohup has it ignore a hang-up; processes
# started here would inherit that.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture(autouse=True)
def _one_torch_thread() -> Iterator[None]:
    # Tiny networks run faster on one, and two cores are often shared.
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    yield


@pytest.fixture(autouse=True)
def _nothing_ends_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line may leave past the interpreter's end, which in a test would end pytest, and with status 0."""

    def leave(status: int) -> NoReturn:
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", leave)
