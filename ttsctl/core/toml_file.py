"""TOML files, read with one set of errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

Table = dict[str, Any]


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
