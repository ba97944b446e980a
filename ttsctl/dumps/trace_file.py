"""``trace_<tag>.npz``: a trace as compact arrays, written whole, read without pickle and without torch."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, MIB, open_regular
from ttsctl.core.trace import STAGES, Draws, Prints, Trace, no_draws, no_prints
from ttsctl.dumps.archive import open_archive
from ttsctl.dumps.meta import checked_tag
from ttsctl.dumps.numpy_file import NUMPY_ERRORS, is_npz, npz_members, read_npz_array, what_numpy_said

TRACE_VERSION = 1
RECORD_AGAIN = "record the run again with 'ttsctl dump-codes --trace LEVEL'"
_LEVELS = ("none", "codes", "stages", "modules")
_SIDES = ("codegen", "decode")
# What one array and all of them may take once they are uncompressed. The released size records some 30 kB a frame at
# level "modules", which makes this ten minutes of speech. The names of points are a few hundred kB.
MAX_TRACE_BYTES = 256 * MIB
_MAX_NAMES_BYTES = 4 * MIB
_MAX_HEAD_BYTES = 4096  # version, level and stages


def trace_path(folder: Path, tag: str) -> Path:
    """Where the trace of a dump lies; InputError if the tag is not safe as part of a file name."""
    return folder / f"trace_{checked_tag(tag)}.npz"


def save_trace(path: Path, trace: Trace) -> None:
    """Write the arrays of a trace into ``path``; equal traces give equal bytes.

    ``version`` () and ``level`` () describe the file, ``stages`` holds the name of each stage number.
    ``draws_<field>``, ``codegen_<field>`` and ``decode_<field>`` are the fields of ``core.trace``'s dataclasses.
    """
    arrays: dict[str, NDArray[Any]] = {
        "version": np.array(TRACE_VERSION),
        "level": np.array(trace.level),
        "stages": np.array(STAGES),
    }
    arrays |= {f"draws_{field.name}": getattr(trace.draws, field.name) for field in fields(Draws)}
    for side in _SIDES:
        prints = getattr(trace, side)
        arrays |= {f"{side}_{field.name}": np.asarray(getattr(prints, field.name)) for field in fields(Prints)}
        # An empty tuple of names would be saved as numbers.
        arrays[f"{side}_points"] = np.array(prints.points, np.str_)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # the stubs see allow_pickle in any name


def read_trace(path: Path) -> Trace:
    """The trace of a file; InputError if the file is missing, damaged, of another version or contradicts itself."""
    try:
        with open_regular(path, "trace", MAX_BYTES["trace"]) as file:
            arrays = _read_arrays(file)
    except OSError as error:
        raise InputError(f"trace {path}: {error.strerror or error}", "check the path and its permissions") from error
    except NUMPY_ERRORS as error:
        raise InputError(f"trace {path}: no readable trace: {what_numpy_said(error)}", RECORD_AGAIN) from error
    _check_version(path, arrays)
    numbers = _stage_numbers(path, arrays)
    level = str(arrays.get("level", ""))
    if level not in _LEVELS:
        raise InputError(f"trace {path}: level: expected one of {', '.join(_LEVELS)}, got {level!r}", RECORD_AGAIN)
    sides = [_prints(path, arrays, side, numbers) for side in _SIDES]
    return Trace(level, _draws(path, arrays), *sides)  # type: ignore[arg-type]  # checked against the levels


def _read_arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays that a trace has, but for missing ones; others are left out. Errors as of ``read_npz_array``."""
    limits = dict.fromkeys(("version", "level", "stages"), _MAX_HEAD_BYTES)
    limits |= {f"draws_{field.name}": MAX_TRACE_BYTES for field in fields(Draws)}
    for side in _SIDES:
        limits |= {f"{side}_{field.name}": MAX_TRACE_BYTES for field in fields(Prints)}
        limits[f"{side}_points"] = _MAX_NAMES_BYTES
    if not is_npz(file):
        raise ValueError("not a file of numpy, or one of Python objects")
    with open_archive(file) as archive:
        members = {name: info for name, info in npz_members(archive).items() if name in limits}
        claimed = sum(info.file_size for info in members.values())
        if claimed > MAX_TRACE_BYTES:
            raise ValueError(f"expected arrays of at most {MAX_TRACE_BYTES:,} bytes in all, got {claimed:,}")
        return {name: read_npz_array(archive, info, limits[name]) for name, info in members.items()}


def _check_version(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    version = arrays.get("version")
    if version is None or version.shape != () or version.dtype.kind not in "iu" or int(version) != TRACE_VERSION:
        found = "none" if version is None else repr(version.tolist())
        raise InputError(f"trace {path}: expected version {TRACE_VERSION}, got {found}", RECORD_AGAIN)


def _stage_numbers(path: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """The index in STAGES of each stage of the file: an older trace has fewer of them, in the same order."""
    names = arrays.get("stages", np.empty(0)).tolist()
    if not names or names != [stage for stage in STAGES if stage in names]:
        raise InputError(f"trace {path}: stages: expected {', '.join(STAGES)}, or some of them", RECORD_AGAIN)
    return np.array([STAGES.index(name) for name in names], np.uint8)


def _draws(path: Path, arrays: dict[str, NDArray[Any]]) -> Draws:
    plain = no_draws()
    found = {f.name: _column(path, arrays, f"draws_{f.name}", getattr(plain, f.name)) for f in fields(Draws)}
    _check_lengths(path, "draws", found)
    return Draws(**found)


def _prints(path: Path, arrays: dict[str, NDArray[Any]], side: str, numbers: NDArray[np.uint8]) -> Prints:
    plain = no_prints()
    names = [field.name for field in fields(Prints) if field.name != "points"]
    found = {name: _column(path, arrays, f"{side}_{name}", getattr(plain, name)) for name in names}
    _check_lengths(path, side, found)
    points = arrays.get(f"{side}_points")
    if points is None or points.ndim != 1 or points.dtype.kind != "U":
        raise InputError(f"trace {path}: {side}_points: expected names", RECORD_AGAIN)
    _check_range(path, f"{side}_point", found["point"], len(points))
    _check_range(path, f"{side}_stage", found["stage"], len(numbers))
    found["stage"] = numbers[found["stage"]]
    return Prints(tuple(points.tolist()), **found)


def _column(path: Path, arrays: dict[str, NDArray[Any]], name: str, like: NDArray[Any]) -> NDArray[Any]:
    """The array of that name; InputError unless it has the dtype and, but for the first axis, the shape of ``like``."""
    found = arrays.get(name)
    if found is None:
        raise InputError(f"trace {path}: {name} is missing", RECORD_AGAIN)
    if found.dtype != like.dtype or found.shape[1:] != like.shape[1:] or found.ndim != like.ndim:
        wanted = ("N", *map(str, like.shape[1:]))
        raise InputError(
            f"trace {path}: {name}: expected ({', '.join(wanted)}) {like.dtype}, got {found.shape} {found.dtype}",
            RECORD_AGAIN,
        )
    return found


def _check_lengths(path: Path, what: str, columns: dict[str, NDArray[Any]]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"trace {path}: {what}: columns of different lengths {lengths}", RECORD_AGAIN)


def _check_range(path: Path, name: str, column: NDArray[Any], count: int) -> None:
    if len(column) and (int(column.min()) < 0 or int(column.max()) >= count):
        raise InputError(
            f"trace {path}: {name}: expected 0 to {count - 1}, got {column.min()} to {column.max()}", RECORD_AGAIN
        )
