"""stdout and stderr as a command needs them: none is missing, and a failed write is told apart from other errors."""

from __future__ import annotations

import errno
import io
import os
import select
import sys

from ttsctl.core.errors import CannotJudge
from ttsctl.core.outcome import ExitStatus


class OutputLost(CannotJudge):
    """stdout or stderr did not take what was written: its reader is gone (quietly 141), or it is full or broken (3).

    Not an OSError: libraries end the process with status 1 on a broken pipe, or take the error for that of a file.
    """

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name}: {error.strerror or error}", f"give {name} a place that can be written")
        self.reader_gone = error.errno == errno.EPIPE
        self.exit_status = ExitStatus.BROKEN_PIPE if self.reader_gone else ExitStatus.NOT_JUDGED


class _Raw(io.FileIO):
    """The bytes end of a stream. What comes after a failed write goes nowhere, so that the end is not another error."""

    def __init__(self, number: int, label: str) -> None:
        super().__init__(number, "wb", closefd=False)
        self.label = label
        self.lost: OutputLost | None = None

    def write(self, data: object) -> int:
        try:
            # None: a pipe that does not block is full.
            while (count := super().write(data)) is None:  # type: ignore[arg-type]
                select.select([], [self.fileno()], [])
        except OSError as error:
            self.lost = OutputLost(self.label, error)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            raise self.lost from error
        return count


class Output(io.TextIOWrapper):
    """stdout or stderr. ``absent``: it was closed when this process started, and what is written is not kept."""

    def __init__(self, number: int, label: str, encoding: str, absent: bool) -> None:
        self._raw = _Raw(number, label)
        # What the locale cannot write is shown as an escape.
        super().__init__(
            io.BufferedWriter(self._raw),
            encoding=encoding,
            errors="backslashreplace",
            line_buffering=label == "stderr" or os.isatty(number),
        )
        self.absent = absent

    @property
    def lost(self) -> OutputLost | None:
        """Why a write failed, if one did."""
        return self._raw.lost


def guard_streams() -> None:
    """Make stdout and stderr Outputs. A stream that was closed gets a place to write to, for a library's file would
    otherwise get its number, and all that is printed."""
    if os.name != "posix":
        return
    missing = {number for number in (0, 1, 2) if not _is_open(number)}
    for _ in missing:
        # The lowest free number is given.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for number, label in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, label)
        setattr(sys, label, Output(number, label, getattr(before, "encoding", None) or "utf-8", number in missing))


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
