"""Files: regular ones of a bounded size are read, JSON and TOML with clear errors, and everything is written whole."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from ttsctl.core.errors import InputError
from ttsctl.core.nesting import MAX_NESTING, has_long_key, too_deep
from ttsctl.core.printable import encodable, json_text
from ttsctl.core.write_errors import write_error

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

Table = dict[str, Any]

MIB = 2**20
# The most bytes that are read of a file of each kind, far above what such files have. A parsed document may take 25
# times its bytes ("[{},{},…"), and what pydantic says about a wrong one more than that, so that documents have the
# lowest limits. "record" is for lists that ttsctl writes: manifests, summaries. Weights are mapped, not read.
MAX_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "toml": 1 * MIB,
        "json": 4 * MIB,
        "record": 16 * MIB,
        "tokenizer": 64 * MIB,
        "codes": 256 * MIB,
        "trace": 256 * MIB,
        "audio": 4096 * MIB,
        "weights": 65536 * MIB,
    }
)

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: Path, what: str, max_bytes: int) -> BinaryIO:
    """Open a regular file of at most ``max_bytes`` to read its bytes; the caller closes it, as with ``Path.open``.

    InputError for a path that is missing or cannot be read, a larger file, and a folder, FIFO, socket or device,
    also behind a link: reading those might never end. ``what`` names the file in the message; "" for none. A file
    may grow after it was opened, so whoever reads to the end asks for ``max_bytes + 1``, as ``read_regular`` does.
    """
    where = f"{what} {path}".lstrip()
    # Without O_NONBLOCK a FIFO that nobody writes to would block here. It does nothing to a regular file.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise InputError(f"{where}: {error.strerror or error}", "check the path") from error
    except ValueError as error:  # a null character, or one that is not of the file system's encoding
        raise InputError(f"{what} {str(path)!r}: no file can have this name ({error})", "check the path") from error
    try:
        _check_regular(os.fstat(descriptor), where, max_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_regular(found: os.stat_result, where: str, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "something else")
        raise InputError(f"{where}: expected a regular file, got {kind}", "name a file on disk")
    if found.st_size > max_bytes:
        raise _too_large(where, f"{found.st_size:,}", max_bytes)


def _too_large(where: str, size: str, max_bytes: int) -> InputError:
    return InputError(f"{where}: expected at most {max_bytes:,} bytes, got {size}", "check that it is the right file")


def read_regular(path: Path, what: str, max_bytes: int) -> bytes:
    """All bytes of a regular file of at most ``max_bytes``; errors as of ``open_regular``."""
    try:
        with open_regular(path, what, max_bytes) as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror or error}".lstrip(), "check the file") from error
    if len(raw) > max_bytes:
        raise _too_large(f"{what} {path}".lstrip(), "more, and it is growing", max_bytes)
    return raw


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to; it takes the name ``path`` only if the block succeeds.

    The file is on the disk before it gets its name, so that no power failure leaves an empty one under it.
    The temporary name keeps the suffix, because writers such as ``np.save`` append one that is missing. CannotJudge if
    the disk is full, InputError if the file cannot be written for another reason.
    """
    cannot = f"cannot write {path}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        wrong = InputError(f"{cannot}: {error.strerror or error}", "choose a writable folder with --out")
        raise write_error(cannot, error, wrong) from error
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
        wrong = InputError(f"{cannot}: {error.strerror or error}", "check space and permissions")
        raise write_error(cannot, error, wrong) from error
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
    write_text(path, json_text(value) + "\n")


def read_json(path: Path, what: str = "file", max_bytes: int = MAX_BYTES["json"]) -> Any:
    """Read a JSON file, or say in one line which file is missing or where it is malformed."""
    return read_json_bytes(path, what, max_bytes)[1]


def read_json_bytes(path: Path, what: str = "file", max_bytes: int = MAX_BYTES["json"]) -> tuple[bytes, Any]:
    """As ``read_json``, with the bytes that were parsed, for whoever validates them as JSON."""
    raw = read_regular(path, what, max_bytes)
    where = f"{what} {path}"
    text = _decoded(raw, where, "JSON")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: malformed JSON at line {error.lineno} column {error.colno}: {error.msg}", "mend the file"
        ) from error
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        raise _too_long_a_number(where) from error
    if too_deep(value):
        raise _too_deep(where)
    return raw, value


def is_file(path: Path) -> bool:
    """As ``Path.is_file``, which raises for a name that is too long: no file can have that one."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """As ``Path.is_dir``, and False for a name that is too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def read_toml(path: Path, what: str = "file") -> Table:
    """Parse a TOML file; InputError says in one line what is wrong with it and where."""
    return read_toml_bytes(path, what)[1]


def read_toml_bytes(path: Path, what: str = "file") -> tuple[bytes, Table]:
    """As ``read_toml``, with the bytes that were parsed, for whoever keeps their hash."""
    raw = read_regular(path, what, MAX_BYTES["toml"])
    where = f"{what} {path}"
    try:
        return raw, _parsed_toml(_decoded(raw, where, "TOML"), where)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: malformed TOML: {error}", "mend the file") from error


def toml_value(text: str) -> Any:
    """A TOML value such as ``8``, ``true`` or ``"x"``; a text that is none is taken as the bare word it is.

    InputError for a value that is nested too deep, and for a whole number with more digits than can be read.
    """
    try:
        return _parsed_toml(f"value = {text}", "value")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _decoded(raw: bytes, where: str, form: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise InputError(f"{where}: {reason}", f"save it as UTF-8 {form}") from error


def _parsed_toml(text: str, where: str) -> Table:
    """InputError as of ``toml_value``; a TOMLDecodeError is left to the caller."""
    if has_long_key(text):
        raise _too_deep(where)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:
        raise _too_long_a_number(where) from error
    if too_deep(table):
        raise _too_deep(where)
    return table


def _too_deep(where: str) -> InputError:
    return InputError(f"{where}: expected at most {MAX_NESTING} levels of nesting, got more", "mend it")


def _too_long_a_number(where: str) -> InputError:
    """Python refuses to convert whole numbers of more than 4300 digits (sys.set_int_max_str_digits)."""
    return InputError(f"{where}: a whole number has thousands of digits", "mend it")
