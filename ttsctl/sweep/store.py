"""The results of a sweep that is not finished, kept so that the same command goes on from there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from ttsctl.core.errors import InputError
from ttsctl.core.trace import Trace, no_prints
from ttsctl.core.write_errors import write_error
from ttsctl.runs.job import JobResult
from ttsctl.runs.job_files import SUMS, read_result, write_result

_LOCK = ".lock"


class ResultStore:
    """Results of one sweep in a hidden folder, each written as soon as it is there.

    To save space the audio of first repeats alone is kept, and the traces that are handed out have no prints: ``trace``
    reads a whole one. ``resumed``: the results of an interrupted sweep, by job id.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.resumed: dict[str, JobResult] = {}

    def load(self) -> None:
        """Read every result of the folder into ``resumed``. InputError for one that is not what was written."""
        for path in self._complete():
            result = read_result(self.folder, path.stem)
            self.resumed[result.id] = _without_prints(result)

    def add(self, result: JobResult) -> JobResult:
        """Keep a result and return it as it is kept.

        A skipped one is not written, because a sweep that goes on may do so on a machine that has all it needs.
        """
        kept = result if result.repeat == 1 else _without_pcm(result)
        if kept.skipped is None:
            write_result(self.folder, _file_name(kept), kept)
        return _without_prints(kept)

    def trace(self, result: JobResult) -> Trace | None:
        """The trace of a kept result with its prints; None if its run has none."""
        return None if result.trace is None else read_result(self.folder, _file_name(result)).trace

    def count(self) -> int:
        """How many results are in the folder."""
        return len(self._complete())

    def remove(self) -> None:
        """Delete the folder once the sweep is finished: the next one of its kind begins anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _complete(self) -> list[Path]:
        # A hidden file was being written when its process was killed.
        return sorted(path for path in self.folder.glob(f"*{SUMS}") if not path.name.startswith("."))


def _file_name(result: JobResult) -> str:
    return result.id.replace("/", "--")


def _without_prints(result: JobResult) -> JobResult:
    """Prints take much memory, and the table needs the draws alone."""
    run = result.run
    if run is None or run.trace is None:
        return result
    return replace(result, run=replace(run, trace=replace(run.trace, codegen=no_prints(), decode=no_prints())))


def _without_pcm(result: JobResult) -> JobResult:
    return result if result.run is None else replace(result, run=replace(result.run, pcm=None))


@contextlib.contextmanager
def open_store(root: Path, name: str, key: str, fresh: bool) -> Iterator[ResultStore]:
    """The store of the sweep ``name`` with this ``key`` below ``root``, emptied first if ``fresh``.

    The folder stays after the block unless ``remove`` was called or it has no result. InputError if it cannot be
    written, or if another process is using it.
    """
    folder = root / f".{name}-{key[:16]}"
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    lock = _locked(folder)
    store = ResultStore(folder)
    try:
        _empty(folder, "*" if fresh else ".*")
        store.load()
        yield store
    finally:
        lock.release()
        _remove_if_unused(folder, made)


def _locked(folder: Path) -> FileLock:
    """Make the folder and take its lock, which is held until it is released or the process ends."""
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{folder}: another process is running this sweep", "wait for it, or use another --out"
        ) from error
    except OSError as error:
        where = f"output folder {folder}"
        wrong = InputError(f"{where}: {error.strerror or error}", "choose a writable folder with --out")
        raise write_error(where, error, wrong) from error
    return lock


def _empty(folder: Path, pattern: str) -> None:
    """Remove the files of this pattern; the hidden ones were being written when their process was killed."""
    for path in folder.glob(pattern):
        if path.name != _LOCK:
            path.unlink()


def _remove_if_unused(folder: Path, made: Sequence[Path]) -> None:
    """Remove a store that has nothing but its lock, and those of the folders ``made`` for it that are then empty.

    ``made`` begins with the innermost folder.
    """
    if folder.is_dir() and all(path.name == _LOCK for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        for parent in made:
            if parent.exists():
                parent.rmdir()
