"""Run folders: ``ROOT/<command>/<UTC yyyymmdd_HHMMSS>/``, written under a hidden name and renamed when complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from errno import EEXIST, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError, Interrupted, TtsctlError
from ttsctl.core.files import sync_folder, sync_tree
from ttsctl.core.printable import json_text
from ttsctl.core.write_errors import write_error
from ttsctl.report.summary import Summary
from ttsctl.runs.claimed_folder import claimed_folder, sweep_abandoned

HISTORY = "summary.jsonl"


class RunFolder:
    """``path`` is where files are written now; ``final`` is their home, known once the folder is complete."""

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self.stamp = stamp
        # While it is held, the system gives its number to no other folder. Windows cannot open a folder, nor remove one
        # that is in use.
        self.handle = os.open(path, os.O_RDONLY) if os.name == "posix" else None
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

    An earlier run's folder is never touched: a second run within the same second gets the suffix ``_2``. What killed
    runs of the same command left behind is removed first. InputError if ``root`` cannot be written, or if the folder is
    removed while it is filled.
    """
    parent = root / summary.command_name()
    new: list[Path] = []
    run: RunFolder | None = None
    try:
        with contextlib.ExitStack() as stack:
            run = _open(parent, new, stack)
            yield run
            run.final = _settle(run, parent)
            _point_latest(parent, run)
    except TtsctlError as error:
        if run is None or str(run.path) not in error.what:
            raise
        # The hidden name means nothing to a reader, and is gone by the time it is read.
        raise type(error)(error.what.replace(str(run.path), str(parent / run.stamp)), error.fix) from error
    except Interrupted as error:
        done = run is not None and run.final is not None
        error.left = f"the run is complete in {run.final}" if run is not None and done else "nothing was written"
        raise
    finally:
        if run is None or run.final is None:
            _remove_empty(new)


def _open(parent: Path, new: list[Path], stack: contextlib.ExitStack) -> RunFolder:
    """Claim a hidden folder in ``parent`` until ``stack`` ends. ``new`` gets the folders made for it."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d_%H%M%S")
    try:
        new += [folder for folder in (parent, *parent.parents) if not folder.exists()]
        parent.mkdir(parents=True, exist_ok=True)
        sweep_abandoned(parent, ".")
        run = RunFolder(stack.enter_context(claimed_folder(parent, f".{stamp}-")), stamp)
        if run.handle is not None:
            stack.callback(os.close, run.handle)
        return run
    except OSError as error:
        where = f"output folder {parent}"
        wrong = InputError(f"{where}: {error.strerror or error}", "choose a writable folder with --out")
        raise write_error(where, error, wrong) from error


def _remove_empty(folders: list[Path]) -> None:
    """Take back the folders, innermost first, that were made for a run which left nothing in them."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _settle(run: RunFolder, parent: Path) -> Path:
    """Rename to the first free name: ``stamp``, ``stamp_2``, ... A rename onto a folder with files in it fails.

    What is in the folder reaches the disk first. InputError if the folder is not the one that was made: a file written
    after someone removed it would make it anew, without those before.
    """
    try:
        if run.handle is not None and not os.path.samestat(run.path.stat(), os.fstat(run.handle)):
            raise FileNotFoundError(ENOENT, "it was removed while the run was under way")
        sync_tree(run.path)
        for attempt in range(1, 1000):
            final = parent / (run.stamp if attempt == 1 else f"{run.stamp}_{attempt}")
            if final.exists():
                continue
            try:
                run.path.rename(final)
            except OSError as error:
                if error.errno in (EEXIST, ENOTEMPTY, ENOTDIR):
                    continue
                raise
            sync_folder(parent)
            return final
    except OSError as error:
        where = f"run folder {run.path}"
        wrong = InputError(f"{where}: {error.strerror or error}", "check space and permissions, and run again")
        raise write_error(where, error, wrong) from error
    raise InputError(f"output folder {parent / run.stamp}: no free name left", "choose another folder with --out")


def _point_latest(parent: Path, run: RunFolder) -> None:
    # Its name begins as that of the claimed folder, so that it goes with it.
    temporary = run.path.with_name(f"{run.path.name}.latest")
    # A file system without symbolic links only loses the shortcut.
    with contextlib.suppress(OSError):
        temporary.symlink_to(run.home.name)
        temporary.replace(parent / "latest")


def append_history(root: Path, line: dict[str, Any]) -> str | None:
    """Append one JSON line to ``ROOT/summary.jsonl`` -> None, or why it could not be done.

    It is a single write, so that parallel runs do not mix lines; a line that did not fit whole is taken back.
    """
    data = (json_text(line, indent=None) + "\n").encode()
    path = root / HISTORY
    try:
        # Not blocking: a pipe of this name that nobody reads is an error.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0), 0o644)
        try:
            written = os.write(handle, data)
            if written < len(data):
                os.ftruncate(handle, os.fstat(handle).st_size - written)
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        finally:
            os.close(handle)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return None
