"""Reading codes from ``.npy``, ``.npz``, ``.safetensors`` and ``.pt``, never running code that a file carries."""

from __future__ import annotations

import pickle
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.dumps.code_shape import to_codes

CODES_KEY = "codes"
DUMP_AGAIN = "dump the codes again with 'ttsctl dump-codes'"

# What numpy, zipfile and zlib raise on a damaged file; found by flipping bytes of whole files.
NUMPY_ERRORS = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_codes(path: Path, num_codebooks: int | None = None) -> CodeArray:
    """Codes (T, Q) int64 of a file that holds one integer array (T, Q) or (1, T, Q), or several, one named ``codes``.

    ``num_codebooks``: the Q to expect, None if it is not known. InputError if the file is missing, damaged or of an
    unknown format, or if no single array can be chosen.
    """
    reader = READERS.get(path.suffix.lower())
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}", "check the path")
        if reader is None:
            found = path.suffix or "no suffix"
            raise InputError(f"{path}: expected a file ending in {', '.join(READERS)}, got {found}", DUMP_AGAIN)
        array = reader(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", "check the path and its permissions") from error
    return to_codes(array, str(path), num_codebooks)


def _read_numpy(path: Path) -> NDArray[Any]:
    """The array of a ``.npy`` or ``.npz`` file; the content decides which of the two it is."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            name = _the_one(path, list(loaded.files))
            return np.asarray(loaded[name])
    except NUMPY_ERRORS as error:
        raise InputError(f"{path}: no readable numpy array: {what_numpy_said(error)}", DUMP_AGAIN) from error


def what_numpy_said(error: Exception) -> str:
    """numpy's message, or ours if numpy took an unknown file for a pickle and advises to load it as one."""
    return "not a file of numpy, or one of Python objects" if "pickle" in str(error) else str(error)


def _read_safetensors(path: Path) -> NDArray[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            name = _the_one(path, list(file.keys()))
            dtype = file.get_slice(name).get_dtype()
            if dtype[0] not in "IU":
                raise InputError(f"{path}: codes: expected an integer array, got {dtype}", DUMP_AGAIN)
            return np.asarray(file.get_tensor(name))
    except SafetensorError as error:
        raise InputError(f"{path}: no readable safetensors file: {error}", DUMP_AGAIN) from error


def _read_torch(path: Path) -> NDArray[Any]:
    from ttsctl.dumps.torch_file import read_torch

    tensors = read_torch(path)
    return tensors[_the_one(path, list(tensors))]


def _the_one(path: Path, names: list[str]) -> str:
    """``codes`` if an array has that name, else the name of the only array; InputError if there are several."""
    if CODES_KEY in names:
        return CODES_KEY
    if len(names) != 1:
        found = ", ".join(sorted(names)[:8]) if names else "none"
        raise InputError(
            f"{path}: expected one array, or one named {CODES_KEY!r}, got {len(names)}: {found}",
            f"name the array of codes {CODES_KEY!r}",
        )
    return names[0]


READERS: MappingProxyType[str, Callable[[Path], NDArray[Any]]] = MappingProxyType(
    {".npy": _read_numpy, ".npz": _read_numpy, ".safetensors": _read_safetensors, ".pt": _read_torch}
)
