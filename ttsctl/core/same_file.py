"""Whether two paths name one file: comparing a file with itself finds nothing, whatever is in it."""

from __future__ import annotations

from pathlib import Path

from ttsctl.core.errors import CannotJudge, InputError

# Device and inode: equal for one file, whether it is reached by a symbolic link, a hard link or another spelling.
FileIdentity = tuple[int, int]


def file_identity(path: Path) -> FileIdentity:
    """Device and inode of the file that ``path`` leads to. InputError if there is none, or it cannot be looked at."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero byte in it.
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}", "check the path") from error
    return found.st_dev, found.st_ino


def same_file(a: Path, b: Path) -> bool:
    """Whether both paths lead to one file. Two files of equal content are two. InputError as of ``file_identity``."""
    return file_identity(a) == file_identity(b)


def compared_with_itself(a: Path | str, b: Path | str) -> CannotJudge:
    """The error for a pair that is one file: it is equal to itself by necessity, which is no result."""
    return CannotJudge(
        f"{b} is the same file as {a}: compared with itself it is always equal", "name two different files"
    )
