"""Files: JSON and TOML are read with clear errors, and everything is written whole: a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError
from ttsctl.core.printable import encodable

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

Table = dict[str, Any]


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; it takes the name ``path`` only if the block succeeds.

    The file is on the disk before it gets its name, so that no power failure leaves an empty one under it.
    The temporary name keeps the suffix, because writers such as ``np.save`` append one that is missing.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}", "choose a writable folder with --out"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        sync_file(temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}", "check space and permissions") from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Have the file's content on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk, as far as the system can: Windows cannot open a folder."""
    with contextlib.suppress(OSError):
        sync_file(folder)


def sync_tree(folder: Path) -> None:
    """Have all files of a folder on the disk, and the names in it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(parent, name))
        sync_folder(Path(parent))


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole. Bytes of names that are not UTF-8 become escapes."""
    with written_whole(path) as temporary:
        temporary.write_text(encodable(text), encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole; a NaN or an infinity is an error, for a missing value is null with a reason."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, what: str = "file") -> Any:
    """Read a JSON file, or say in one line which file is missing or where it is malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or error}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} {path}: not UTF-8 text ({error.reason} at byte {error.start})", "save it as UTF-8 JSON"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{what} {path}: malformed JSON at line {error.lineno} column {error.colno}: {error.msg}", "mend the file"
        ) from error


def read_toml(path: Path, what: str = "file") -> Table:
    """Parse a TOML file; InputError says in one line what is wrong with it and where."""
    return read_toml_bytes(path, what)[1]


def read_toml_bytes(path: Path, what: str = "file") -> tuple[bytes, Table]:
    """As ``read_toml``, with the bytes that were parsed, for whoever keeps their hash."""
    try:
        raw = path.read_bytes()
        return raw, tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or error}", "check the path") from error
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise InputError(f"{what} {path}: {reason}", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{what} {path}: malformed TOML: {error}", "mend the file") from error


def toml_value(text: str) -> Any:
    """A TOML value such as ``8``, ``true`` or ``"x"``; a text that is none is taken as the bare word it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
