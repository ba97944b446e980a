"""Whether the output root and the temporary folder can hold what runs write: space, renames, links and locks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from ttsctl.doctor.check import Check, failure, ok, warning

# A base suite leaves about 10 MB; a sweep with packets and traces up to a few hundred.
WARN_FREE = 1 << 30
LEAST_FREE = 100 << 20
GIB = 1 << 30


def check_storage(root: Path) -> list[Check]:
    """The root of the run folders, and the folder for temporary files."""
    return [check_folder("output folder", root, "--out"), check_folder("temporary folder", Path(tempfile.gettempdir()))]


def check_folder(name: str, folder: Path, option: str = "TMPDIR") -> Check:
    """Write, rename, link and lock in ``folder``, or in the nearest folder above it that exists; nothing is left."""
    there = nearest_existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".ttsctl-doctor-", dir=there) as scratch:
            lost = _lost_abilities(Path(scratch))
        free = shutil.disk_usage(there).free
    except OSError as error:
        return failure(name, f"{folder}: {error.strerror or error}", f"choose a writable folder with {option}")
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LEAST_FREE:
        return failure(name, found, f"free some space, or choose another folder with {option}")
    if free < WARN_FREE:
        return warning(name, found, f"free some space, or choose another folder with {option}")
    if lost:
        return warning(name, f"{found}; {', '.join(lost)}", f"choose a folder on a local disk with {option}")
    return ok(name, found)


def nearest_existing(folder: Path) -> Path:
    """``folder``, or the closest one above it that exists."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def _lost_abilities(scratch: Path) -> list[str]:
    """What this file system cannot do. OSError if it cannot even write and rename, without which no run ends well."""
    (scratch / "written").write_bytes(b"\0" * 4096)
    (scratch / "written").rename(scratch / "renamed")
    lost = []
    try:
        (scratch / "link").symlink_to("renamed")
    except OSError:
        lost.append("no symbolic links: there will be no `latest`")
    try:
        with FileLock(scratch / "lock", timeout=1):
            pass
    except (OSError, NotImplementedError, Timeout):
        lost.append("no locks: a sweep that is started twice is not noticed")
    return lost
