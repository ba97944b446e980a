"""Run folders: ``ROOT/<command>/<UTC yyyymmdd_HHMMSS>/``, written under a hidden name and renamed when complete."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError
from ttsctl.report.summary import Summary

HISTORY = "summary.jsonl"


class RunFolder:
    """``path`` is where files are written now; ``final`` is their home, known once the folder is complete."""

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self.stamp = stamp
        self.final: Path | None = None

    @property
    def home(self) -> Path:
        """The finished folder; only asked for after the block has ended well."""
        if self.final is None:
            raise RuntimeError("the run folder is not complete yet")
        return self.final


@contextlib.contextmanager
def run_folder(root: Path, summary: type[Summary]) -> Iterator[RunFolder]:
    """Yield a RunFolder to fill. It appears under its final name, and as ``latest``, only if the block succeeds.

    An earlier run's folder is never touched: a second run within the same second gets the suffix ``_2``.
    InputError if ``root`` cannot be written.
    """
    parent = root / summary.command_name()
    new: list[Path] = []
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d_%H%M%S")
    try:
        new += [folder for folder in (parent, *parent.parents) if not folder.exists()]
        parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{stamp}-", dir=parent))
        partial.chmod(0o755)
    except OSError as error:
        _remove_empty(new)
        raise InputError(
            f"output folder {parent}: {error.strerror or error}", "choose a writable folder with --out"
        ) from error
    run = RunFolder(partial, stamp)
    try:
        yield run
        run.final = _settle(partial, parent, stamp)
    finally:
        if run.final is None:
            shutil.rmtree(partial, ignore_errors=True)
            _remove_empty(new)
    _point_latest(parent, run.final)


def _remove_empty(folders: list[Path]) -> None:
    """Take back the folders, innermost first, that were made for a run which left nothing in them."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _settle(partial: Path, parent: Path, stamp: str) -> Path:
    """Rename to the first free name: ``stamp``, ``stamp_2``, ... A rename onto a folder with files in it fails."""
    for attempt in range(1, 1000):
        final = parent / (stamp if attempt == 1 else f"{stamp}_{attempt}")
        if final.exists():
            continue
        with contextlib.suppress(OSError):
            partial.rename(final)
            return final
    raise InputError(f"output folder {parent / stamp}: no free name left", "choose another folder with --out")


def _point_latest(parent: Path, final: Path) -> None:
    temporary = parent / f".latest-{final.name}"
    # A file system without symbolic links only loses the shortcut.
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(final.name)
        temporary.replace(parent / "latest")


def append_history(root: Path, line: dict[str, Any]) -> None:
    """Append one JSON line to ``ROOT/summary.jsonl`` in a single write, so that parallel runs do not mix lines."""
    data = (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
    try:
        handle = os.open(root / HISTORY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise InputError(f"{root / HISTORY}: {error.strerror or error}", "make it a writable file") from error
    try:
        os.write(handle, data)
    finally:
        os.close(handle)
