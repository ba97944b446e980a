"""Reading codes from ``.npy``, ``.npz``, ``.safetensors`` and ``.pt``, never running code that a file carries."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular
from ttsctl.dumps.archive import open_archive
from ttsctl.dumps.code_shape import MAX_IDS, check_count, to_codes
from ttsctl.dumps.numpy_file import NUMPY_ERRORS, is_npz, npz_members, read_npy, read_npz_array, what_numpy_said

CODES_KEY = "codes"
DUMP_AGAIN = "dump the codes again with 'ttsctl dump-codes'"

MAX_SAFETENSORS_HEADER_BYTES = 2**20


def read_codes(path: Path, num_codebooks: int | None = None) -> CodeArray:
    """Codes (T, Q) int64 of a file that holds one integer array (T, Q) or (1, T, Q), or several, one named ``codes``.

    ``num_codebooks``: the Q to expect, None if it is not known. InputError if the file is missing, damaged or of an
    unknown format, or if no single array can be chosen.
    """
    reader = READERS.get(path.suffix.lower())
    try:
        with open_regular(path, "", MAX_BYTES["codes"]) as file:
            if reader is None:
                found = path.suffix or "no suffix"
                raise InputError(f"{path}: expected a file ending in {', '.join(READERS)}, got {found}", DUMP_AGAIN)
            array = reader(path, file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", "check the path and its permissions") from error
    return to_codes(array, str(path), num_codebooks)


def _read_numpy(path: Path, file: BinaryIO) -> NDArray[Any]:
    """The array of a ``.npy`` or ``.npz`` file; the content decides which of the two it is."""
    try:
        if not is_npz(file):
            return read_npy(file, os.fstat(file.fileno()).st_size, MAX_IDS * 8)
        with open_archive(file) as archive:
            members = npz_members(archive)
            return read_npz_array(archive, members[_the_one(path, list(members))], MAX_IDS * 8)
    except NUMPY_ERRORS as error:
        raise InputError(f"{path}: no readable numpy array: {what_numpy_said(error)}", DUMP_AGAIN) from error


def _read_safetensors(path: Path, file: BinaryIO) -> NDArray[Any]:
    from safetensors import SafetensorError, safe_open

    header = int.from_bytes(file.read(8), "little")
    if header > MAX_SAFETENSORS_HEADER_BYTES:
        raise InputError(
            f"{path}: expected a safetensors header of at most {MAX_SAFETENSORS_HEADER_BYTES:,} bytes, got {header:,}",
            DUMP_AGAIN,
        )
    try:
        with safe_open(path, framework="np") as tensors:
            name = _the_one(path, list(tensors.keys()))
            piece = tensors.get_slice(name)
            if piece.get_dtype()[0] not in "IU":
                raise InputError(f"{path}: codes: expected an integer array, got {piece.get_dtype()}", DUMP_AGAIN)
            check_count(math.prod(piece.get_shape()), str(path))
            return np.asarray(tensors.get_tensor(name))
    except SafetensorError as error:
        raise InputError(f"{path}: no readable safetensors file: {error}", DUMP_AGAIN) from error


def _read_torch(path: Path, file: BinaryIO) -> NDArray[Any]:
    from ttsctl.dumps.torch_file import read_torch

    tensors = read_torch(path, file, MAX_IDS)
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


READERS: MappingProxyType[str, Callable[[Path, BinaryIO], NDArray[Any]]] = MappingProxyType(
    {".npy": _read_numpy, ".npz": _read_numpy, ".safetensors": _read_safetensors, ".pt": _read_torch}
)
