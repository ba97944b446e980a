"""Temporary folders that a killed process leaves behind, and how the next one tells that nobody owns them any more.

The owner holds a lock beside its folder, which the system releases when the process ends, however it ends. A process id
would not do: it may be given again. The name says which machine the owner runs on, because on a shared disk the lock of
another machine may not be seen.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import platform
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

JOB_FOLDER = "ttsctl-job-"
_LOCK = ".lock"
_TRIES = 20


@contextlib.contextmanager
def claimed_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder of this process in ``parent``. When the block ends, what is left of it is removed.

    The folder and all else in ``parent`` that begins with its name belong to the owner. OSError if ``parent`` cannot be
    written.
    """
    folder, lock = _claim(parent, prefix)
    try:
        folder.mkdir()
        yield folder
    finally:
        _remove(folder)
        if lock is not None:
            lock.release()


def sweep_abandoned(parent: Path, prefix: str) -> None:
    """Remove what killed processes of this machine claimed in ``parent`` under a name that begins with ``prefix``.

    What a living process holds stays, and so does what cannot be told: of another machine, or without a lock.
    """
    for path in parent.glob(f"{glob.escape(prefix)}*{_machine_mark()}-*{_LOCK}"):
        lock = FileLock(path, timeout=0)
        # Held by its owner, or not ours to write.
        with contextlib.suppress(Timeout, OSError), lock:
            _remove(path.with_suffix(""))


def _claim(parent: Path, prefix: str) -> tuple[Path, BaseFileLock | None]:
    """A free name and its lock; None where the file system has no locks, whose folders are then never swept."""
    for _ in range(_TRIES):
        folder = parent / f"{prefix}{_machine_mark()}-{secrets.token_hex(4)}"
        lock = FileLock(f"{folder}{_LOCK}", timeout=0)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (Timeout, FileNotFoundError):
            # A sweep was faster than we in taking the new lock, or an ending run removed the empty parent.
            continue
        except NotImplementedError:
            return folder, None
        return folder, lock
    raise OSError(f"no folder could be claimed in {_TRIES} attempts")


def _remove(folder: Path) -> None:
    """The folder, what stands beside it under its name, and last the lock: what is left meanwhile has an owner."""
    shutil.rmtree(folder, ignore_errors=True)
    lock = folder.parent / f"{folder.name}{_LOCK}"
    with contextlib.suppress(OSError):
        for path in folder.parent.glob(f"{glob.escape(folder.name)}.*"):
            if path != lock:
                path.unlink()
    if not folder.exists():
        with contextlib.suppress(OSError):
            lock.unlink(missing_ok=True)


def _machine_mark() -> str:
    """Eight hexadecimal digits of this machine: of its host name, and its id or, where it has none, of its boot."""
    known = ""
    for path in (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id")):
        with contextlib.suppress(OSError):
            known = known or path.read_text(encoding="ascii", errors="replace").strip()
    return hashlib.sha256(f"{platform.node()}\n{known}".encode()).hexdigest()[:8]
