"""What is done of a sweep that is not finished, kept so that the same command goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ttsctl import __version__
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.run import Run
from ttsctl.core.trace import Trace, no_prints
from ttsctl.runs.job import JobResult
from ttsctl.runs.job_files import read_result, write_result
from ttsctl.sweep.experiment import Experiment

_LOCK = ".lock"


def sweep_key(experiment: Experiment, configs: Mapping[str, Config], checkpoints: Mapping[str, str]) -> str:
    """sha256 over all that decides what a run gives: conditions, cases, isolation, checkpoints, and the code itself
    with the packages under it.

    Neither the questions nor the number of repeats: results stay good when these change. ``checkpoints``: by name,
    what tells one state of it from another.
    """
    conditions = [
        [c.name, c.run, c.codes_of, [str(r) for r in c.requires], configs[c.name].sha256] for c in experiment.conditions
    ]
    cases = [[case.id, asdict(case.request)] for case in experiment.cases]
    how = [experiment.isolation, experiment.warmup, experiment.timeout_s, experiment.measure]
    here = collect_provenance()
    code = [__version__, _package_sha256(), here.python, sorted(here.packages.items())]
    everything = [conditions, cases, how, sorted(checkpoints.items()), code]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def checkpoint_state(name: str) -> str:
    """Name, size and time of every file of a checkpoint folder, hashed; the name itself for one that is no folder.

    Reading gigabytes to see that nothing changed would cost more than a short run.
    """
    folder = Path(name)
    if not folder.is_dir():
        return name
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    facts = [[str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _package_sha256() -> str:
    """Of every source file of ttsctl: a commit does not tell of changes that are not committed."""
    root = Path(__file__).parents[1]
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()


class ResultStore:
    """Results of one sweep in a hidden folder, one by one as they come.

    To save space it keeps audio of first repeats only, and hands out traces without their prints: ``trace`` has all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken_up: dict[str, JobResult] = {}

    def load(self) -> None:
        """Read all that is there into ``taken_up``, by job id."""
        for path in self._whole():
            result = read_result(self.folder, path.stem)
            self.taken_up[result.id] = _light(result)

    def add(self, result: JobResult) -> JobResult:
        """Keep a result and return it as kept. One that was skipped is not kept: the next machine may have it all."""
        kept = result if result.repeat == 1 or result.run is None else _without_pcm(result, result.run)
        if kept.skipped is None:
            write_result(self.folder, _name(kept), kept)
        return _light(kept)

    def trace(self, result: JobResult) -> Trace | None:
        """The whole trace of a result that is here."""
        return None if result.trace is None else read_result(self.folder, _name(result)).trace

    def count(self) -> int:
        return len(self._whole())

    def _whole(self) -> list[Path]:
        # A hidden one was being written when its process was killed.
        return sorted(path for path in self.folder.glob("*.json") if not path.name.startswith("."))

    def remove(self) -> None:
        """The sweep is finished: the next one of its kind starts anew."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _name(result: JobResult) -> str:
    return result.id.replace("/", "--")


def _light(result: JobResult) -> JobResult:
    """Prints are many, and the table is made of draws."""
    run = result.run
    if run is None or run.trace is None:
        return result
    return replace(result, run=replace(run, trace=replace(run.trace, codegen=no_prints(), decode=no_prints())))


def _without_pcm(result: JobResult, run: Run) -> JobResult:
    return replace(result, run=replace(run, pcm=None))


@contextlib.contextmanager
def open_store(root: Path, name: str, key: str, fresh: bool) -> Iterator[ResultStore]:
    """The store of the sweep ``name`` with this ``key`` below ``root``, emptied first if ``fresh``.

    It outlives the block unless removed. InputError if it cannot be written, or if another process is using it.
    """
    folder = root / f".{name}-{key[:16]}"
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(
            f"output folder {folder}: {error.strerror or error}", "choose a writable folder with --out"
        ) from error
    try:
        _lock(handle, folder)
    except BaseException:
        # Nothing here is ours: the folder belongs to whoever holds the lock.
        os.close(handle)
        raise
    store = ResultStore(folder)
    try:
        if fresh:
            _empty(folder)
        store.load()
        yield store
    finally:
        os.close(handle)
        _drop_if_unused(folder, new)


def _lock(handle: int, folder: Path) -> None:
    """Held until the handle is closed or the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not POSIX: two sweeps at once are then up to the user
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(
            f"{folder}: another process is running this sweep", "wait for it, or use another --out"
        ) from error


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _LOCK:
            path.unlink()


def _drop_if_unused(folder: Path, new: Sequence[Path]) -> None:
    """Remove a store without results, and the folders, innermost first, that were made for it alone."""
    if folder.is_dir() and all(path.name == _LOCK for path in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        for made in new:
            if made.exists():
                made.rmdir()
