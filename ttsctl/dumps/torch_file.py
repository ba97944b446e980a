"""Read integer tensors from a ``.pt`` file, without torch and without running the code that its pickle names.

``torch.save`` (1.6 and later) writes a zip archive: ``<name>/data.pkl`` describes tensors by their storage, offset,
size and stride; ``<name>/data/<key>`` are the storages' bytes; ``<name>/byteorder`` says their order. The pickle is
read by ``plain_pickle``, which knows only the names that such a description needs.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.errors import InputError
from ttsctl.dumps.archive import open_archive, read_member
from ttsctl.dumps.plain_pickle import Refused, read_pickle

RESAVE = "save the codes again as an int64 tensor with torch.save, or as .npy"
MAX_PICKLE_BYTES = 2**20  # the description of thousands of tensors; each byte may become 64 in memory
MAX_AXES = 8

_STORAGE_DTYPES = {
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
_DTYPES = {"uint16": "u2", "uint32": "u4", "uint64": "u8"}
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9"
_DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class _Storage:
    """The bytes of one storage, and its dtype; None for an untyped storage."""

    data: bytes | bytearray
    dtype: np.dtype[Any] | None


@dataclass(frozen=True)
class _Name:
    """A name of torch that stands for a dtype or a storage class; it can be passed on, not called."""

    name: str


class _Tensors:
    """Makes arrays of what a pickle says of tensors, of ``max_elements`` in all.

    A stride of 0 could claim any size from a small file, and many tensors could share one storage.
    """

    def __init__(self, archive: zipfile.ZipFile, max_elements: int) -> None:
        roots = [name[: -len("/data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise Refused("a zip archive without a torch data.pkl")
        self._archive = archive
        self._root = roots[0]
        self._max_elements = max_elements
        self._elements_left = max_elements
        self._storages: dict[str, bytearray] = {}
        order = self._member("byteorder", 16) if f"{self._root}/byteorder" in archive.namelist() else b"little"
        self._byte_order = {b"little": "<", b"big": ">"}[bytes(order)]

    def read(self) -> Any:
        return read_pickle(bytes(self._member("data.pkl", MAX_PICKLE_BYTES)), self._find_name, self._load_storage)

    def _member(self, name: str, max_bytes: int) -> bytearray:
        return read_member(self._archive, self._archive.getinfo(f"{self._root}/{name}"), max_bytes)

    def _find_name(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _empty_dict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return self._rebuild
        if module in ("torch", "torch.storage") and (name.endswith("Storage") or name in _DTYPES):
            return _Name(name)
        raise Refused(f"it asks for {module}.{name}, which is not part of a plain tensor")

    def _load_storage(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) == 5 and isinstance(pid[1], _Name) and isinstance(pid[2], str)):
            raise Refused("an unknown kind of reference")
        kind, key = pid[1].name, pid[2]
        if kind != "UntypedStorage" and kind not in _STORAGE_DTYPES:
            raise Refused(f"expected an integer tensor, got one in a torch.{kind}")
        dtype = np.dtype(self._byte_order + _STORAGE_DTYPES[kind]) if kind in _STORAGE_DTYPES else None
        return _Storage(self._storage(key), dtype)

    def _storage(self, key: str) -> bytearray:
        if key not in self._storages:
            if self._archive.getinfo(f"{self._root}/data/{key}").compress_type != zipfile.ZIP_STORED:
                raise Refused("a compressed storage, which torch.save never writes")
            held = sum(map(len, self._storages.values()))
            self._storages[key] = self._member(f"data/{key}", max(0, 8 * self._max_elements - held))
        return self._storages[key]

    def _rebuild(self, storage: Any, offset: Any, size: Any, stride: Any, *others: Any) -> NDArray[Any]:
        """As torch._utils._rebuild_tensor_v2 and _v3; ``others``: requires_grad, hooks, and of v3 the dtype."""
        if not isinstance(storage, _Storage):
            raise Refused("a tensor without a storage")
        dtype = _dtype_of(others[2] if len(others) > 2 else None) if storage.dtype is None else storage.dtype
        sizes, strides = _naturals(size, "size"), _naturals(stride, "stride")
        self._elements_left -= math.prod(sizes)
        if self._elements_left < 0:
            raise Refused(f"expected at most {self._max_elements:,} ids in all, got more")
        return _strided(np.frombuffer(storage.data, dtype=dtype), _natural(offset, "offset"), sizes, strides)


def _empty_dict() -> dict[Any, Any]:
    """Stands for OrderedDict, without an argument: items come after it."""
    return {}


def read_torch(path: Path, file: BinaryIO, max_elements: int) -> dict[str, NDArray[Any]]:
    """The integer tensors of a ``.pt`` file that holds a tensor, or a dict, list or tuple of tensors, by name.

    ``path`` is the name of the open ``file``. Other values in the container are left out. InputError for a file of
    another kind, a damaged one, one with tensors that are not integers or have more than ``max_elements`` in all, and
    one that names code to run.
    """
    head = file.read(len(_LEGACY_MAGIC))
    if head == _LEGACY_MAGIC:
        raise InputError(f"{path}: written in the old format of torch before 1.6", RESAVE)
    try:
        with open_archive(file) as archive:
            value = _Tensors(archive, max_elements).read()
    except Refused as error:
        raise InputError(f"{path}: {error}", RESAVE) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: damaged or not a torch file: {error}", RESAVE) from error
    except _DAMAGE as error:
        raise InputError(f"{path}: damaged or no plain tensor: {type(error).__name__}: {error}", RESAVE) from error
    return _tensors(value)


def _tensors(value: Any) -> dict[str, NDArray[Any]]:
    if isinstance(value, np.ndarray):
        return {"tensor": value}
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items() if isinstance(item, np.ndarray)}
    if isinstance(value, (list, tuple)):
        return {str(number): item for number, item in enumerate(value) if isinstance(item, np.ndarray)}
    return {}


def _dtype_of(name: object) -> np.dtype[Any]:
    if not isinstance(name, _Name) or name.name not in _DTYPES:
        raise Refused("expected an integer tensor, got one of another dtype")
    return np.dtype("<" + _DTYPES[name.name])


def _natural(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        raise Refused(f"a tensor with {what} {value if type(value) is int else type(value).__name__}")
    return value


def _naturals(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > MAX_AXES:
        raise Refused(f"a tensor whose {what} is no tuple of at most {MAX_AXES} whole numbers")
    return tuple(_natural(value, what) for value in values)


def _strided(flat: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> NDArray[Any]:
    """A C-ordered copy of the view that (offset, size, stride), in elements, cuts out of a storage."""
    elements = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
    if len(size) != len(stride) or (elements and last >= len(flat)):
        raise Refused(f"a tensor of size {size} and stride {stride} that its {len(flat)} stored elements cannot hold")
    if not elements:
        return np.empty(size, dtype=flat.dtype)
    steps = tuple(step * flat.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(flat[offset:], shape=size, strides=steps, writeable=False).copy()
