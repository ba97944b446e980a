"""What a command comes to: its exit status, and one line that says why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit status of every command. Only a verdict is 1: nothing else may read as "drift found".

    130 is 128 + SIGINT and 141 is 128 + SIGPIPE, as shells expect.
    """

    HOLDS = 0
    FAILS = 1
    BAD_INPUT = 2
    NOT_JUDGED = 3
    INTERRUPTED = 130
    BROKEN_PIPE = 141


@dataclass(frozen=True)
class Outcome:
    """What a command found: its exit status, and the result in one line."""

    status: ExitStatus
    headline: str
