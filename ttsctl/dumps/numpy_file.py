"""Arrays of ``.npy`` and ``.npz`` files. What a header claims is checked before memory is taken; no pickle is read."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ttsctl.dumps.archive import read_member

# What numpy, zipfile and zlib raise on a damaged file; found by flipping bytes of whole files.
NUMPY_ERRORS = (
    AttributeError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
MAX_HEADER_BYTES = 10_000  # as numpy has it: its header is a Python literal, whose parser is not safe beyond
_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK"
HeaderReader = Callable[[BinaryIO], tuple[tuple[int, ...], bool, np.dtype[Any]]]
_HEADER_READERS: Mapping[int, tuple[int, HeaderReader]] = {
    1: (2, np.lib.format.read_array_header_1_0),
    2: (4, np.lib.format.read_array_header_2_0),
}
_SUFFIX = ".npy"
_MAX_AXES = 8


def read_npy(file: BinaryIO, size: int, max_bytes: int) -> NDArray[Any]:
    """The array of a ``.npy`` file of ``size`` bytes. One of NUMPY_ERRORS if it is damaged or no such file.

    ValueError also if the array is larger than ``max_bytes``, has another size than the file has bytes for, or has
    Python objects.
    """
    shape, fortran, dtype, used = _read_header(file)
    count = _checked_count(shape, dtype, size - used, max_bytes)
    content = bytearray(file.read(count * dtype.itemsize))
    return _shaped(content, shape, fortran, dtype)


def npz_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays of a ``.npz`` archive by name."""
    return {i.filename.removesuffix(_SUFFIX): i for i in archive.infolist() if i.filename.endswith(_SUFFIX)}


def read_npz_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> NDArray[Any]:
    """One array of a ``.npz`` archive; errors as of ``read_npy``."""
    content = read_member(archive, info, max_bytes + MAX_HEADER_BYTES)
    head = io.BytesIO(content[: MAX_HEADER_BYTES + 12])
    shape, fortran, dtype, used = _read_header(head)
    _checked_count(shape, dtype, len(content) - used, max_bytes)
    return _shaped(memoryview(content)[used:], shape, fortran, dtype)


def is_npz(file: BinaryIO) -> bool:
    """Whether the content of a file begins as that of an archive does. The position stays at the start."""
    head = file.read(len(_ZIP_MAGIC))
    file.seek(0)
    return head == _ZIP_MAGIC


def what_numpy_said(error: Exception) -> str:
    """The message of an error in NUMPY_ERRORS, which may have none."""
    return str(error) or type(error).__name__


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, whether in Fortran order, dtype, bytes of the header), with ``file`` after it."""
    start = file.read(len(_MAGIC) + 2)
    if start[: len(_MAGIC)] != _MAGIC or start[len(_MAGIC)] not in _HEADER_READERS:
        raise ValueError("not a file of numpy, or one of Python objects")
    width, read = _HEADER_READERS[start[len(_MAGIC)]]
    length = file.read(width)
    if int.from_bytes(length, "little") > MAX_HEADER_BYTES:
        raise ValueError(f"its header has more than {MAX_HEADER_BYTES:,} bytes")
    text = file.read(int.from_bytes(length, "little"))
    shape, fortran, dtype = _parsed_header(read, length + text)
    return shape, fortran, dtype, len(start) + len(length) + len(text)


@lru_cache(maxsize=64)
def _parsed_header(read: HeaderReader, header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Thousands of dumps have few different headers, and parsing one takes a third of the time to read a dump."""
    return read(io.BytesIO(header))


def _checked_count(shape: tuple[int, ...], dtype: np.dtype[Any], stored: int, max_bytes: int) -> int:
    """How many items there are. ValueError unless the ``stored`` bytes are exactly theirs and at most ``max_bytes``."""
    if dtype.hasobject:
        raise ValueError("not a file of numpy, or one of Python objects")
    if len(shape) > _MAX_AXES or any(length < 0 for length in shape):
        raise ValueError(f"its header claims {len(shape)} axes of lengths {str(shape[:4])[1:-1]}")
    count = math.prod(shape)
    if count * max(dtype.itemsize, 1) > max_bytes:
        raise ValueError(f"expected at most {max_bytes:,} bytes, its header claims {count:,} × {dtype.itemsize}")
    if count * dtype.itemsize != stored:
        raise ValueError(f"its header claims {count:,} × {dtype.itemsize} bytes, it has {stored:,}")
    return count


def _shaped(
    content: bytearray | memoryview, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]
) -> NDArray[Any]:
    if not len(content):
        return np.empty(shape, dtype)
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if fortran else "C")
