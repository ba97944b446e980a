"""Writing that failed: a disk without room says nothing about what was asked for (3), all else is wrong input (2)."""

from __future__ import annotations

import re
from errno import EDQUOT, EFBIG, ENOSPC

from ttsctl.core.errors import CannotJudge, TtsctlError

_FULL = {
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EFBIG: "the limit on the size of a file is reached",
}
# numpy's error for an array that did not fit whole has no error number.
_SHORT = re.compile(r"\d+ requested and \d+ written")
ROOM = "make room, or choose another disk with --out"


def why_full(error: OSError) -> str | None:
    """In which way there was no room to write; None if the error is of another kind."""
    if error.errno is None and _SHORT.search(str(error)):
        return f"{_FULL[ENOSPC]}, or a limit is reached"
    return None if error.errno is None else _FULL.get(error.errno)


def write_error(what: str, error: OSError, otherwise: TtsctlError) -> TtsctlError:
    """CannotJudge, told of ``what``, if there was no room to write; else the error that ``otherwise`` is."""
    full = why_full(error)
    return otherwise if full is None else CannotJudge(f"{what}: {full}", ROOM)
