"""Read integer tensors from a ``.pt`` file, without torch and without running the code that its pickle names.

``torch.save`` (1.6 and later) writes a zip archive: ``<name>/data.pkl`` describes tensors by their storage, offset,
size and stride; ``<name>/data/<key>`` are the storages' bytes; ``<name>/byteorder`` says their order. The pickle is
first checked for opcodes that such a description does not need, then read by an unpickler that knows only the names
that it needs.
"""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.errors import InputError

RESAVE = "save the codes again as an int64 tensor with torch.save, or as .npy"
MAX_ELEMENTS = 2**27  # 1 GiB as int64; a stride of 0 could claim any size from a small file

_STORAGE_DTYPES = {
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
}
_DTYPES = {"uint16": "u2", "uint32": "u4", "uint64": "u8"}
# The opcodes of plain containers of tensors, strings and numbers, protocols 2 to 5. BUILD is left out because it sets
# attributes, byte arrays because they may claim any length.
# fmt: off
_OPCODES = frozenset({
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
    "POP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND",
    "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BINPERSID",
})
# fmt: on
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9"
_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class _Refused(Exception):
    """Why the content cannot be used; becomes an InputError that names the file."""


@dataclass(frozen=True)
class _Storage:
    """The bytes of one storage, and its dtype; None for an untyped storage."""

    data: bytes
    dtype: np.dtype[Any] | None


@dataclass(frozen=True)
class _Name:
    """A name of torch that stands for a dtype or a storage class; it can be passed on, not called."""

    name: str


class _Rebuild:
    """Stands for torch._utils._rebuild_tensor_v2 and _v3. It has no state that a pickle could alter."""

    __slots__ = ()

    def __call__(
        self,
        storage: object,
        offset: object,
        size: object,
        stride: object,
        requires_grad: object,
        hooks: object,
        extra: object = None,
        metadata: object = None,
    ) -> NDArray[Any]:
        if not isinstance(storage, _Storage):
            raise _Refused("a tensor without a storage")
        dtype = storage.dtype
        if dtype is None:
            dtype = _dtype_of(extra)
        flat = np.frombuffer(storage.data, dtype=dtype)
        return _strided(flat, _natural(offset, "offset"), _naturals(size, "size"), _naturals(stride, "stride"))


class _Unpickler(pickle.Unpickler):
    """Knows tensor rebuilding, storages and OrderedDict. It refuses any other name, so nothing is imported or run."""

    def __init__(self, archive: zipfile.ZipFile, root: str, byte_order: str) -> None:
        pickled = archive.read(f"{root}/data.pkl")
        _check_opcodes(pickled)
        super().__init__(io.BytesIO(pickled), encoding="utf-8")
        self._archive = archive
        self._root = root
        self._byte_order = byte_order

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return _Rebuild()
        if module in ("torch", "torch.storage") and (name.endswith("Storage") or name in _DTYPES):
            return _Name(name)
        raise _Refused(f"it asks for {module}.{name}, which is not part of a plain tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], _Name)):
            raise _Refused("an unknown kind of reference")
        _, kind, key, _, _ = pid
        if kind.name != "UntypedStorage" and kind.name not in _STORAGE_DTYPES:
            raise _Refused(f"expected an integer tensor, got one in a torch.{kind.name}")
        info = self._archive.getinfo(f"{self._root}/data/{key}")
        if info.compress_type != zipfile.ZIP_STORED:
            raise _Refused("a compressed storage, which torch.save never writes")
        dtype = None
        if kind.name in _STORAGE_DTYPES:
            dtype = np.dtype(self._byte_order + _STORAGE_DTYPES[kind.name])
        return _Storage(self._archive.read(info), dtype)


def read_torch(path: Path) -> dict[str, NDArray[Any]]:
    """The integer tensors of a ``.pt`` file that holds a tensor, or a dict, list or tuple of tensors, by name.

    Other values in the container are left out. InputError for a file of another kind, a damaged one, one with tensors
    that are not integers, and one that names code to run.
    """
    with path.open("rb") as file:
        head = file.read(len(_LEGACY_MAGIC))
    if head == _LEGACY_MAGIC:
        raise InputError(f"{path}: written in the old format of torch before 1.6", RESAVE)
    try:
        with zipfile.ZipFile(path) as archive:
            value = _unpickle(archive)
    except _Refused as error:
        raise InputError(f"{path}: {error}", RESAVE) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{path}: damaged or not a torch file: {error}", RESAVE) from error
    except _PICKLE_ERRORS as error:
        raise InputError(f"{path}: damaged or no plain tensor: {type(error).__name__}: {error}", RESAVE) from error
    return _tensors(value)


def _unpickle(archive: zipfile.ZipFile) -> Any:
    roots = [name[: -len("/data.pkl")] for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise _Refused("a zip archive without a torch data.pkl")
    order = "<"
    if f"{roots[0]}/byteorder" in archive.namelist():
        order = {b"little": "<", b"big": ">"}[archive.read(f"{roots[0]}/byteorder")]
    return _Unpickler(archive, roots[0], order).load()


def _check_opcodes(pickled: bytes) -> None:
    """Refuse opcodes outside of the list, and memo places so high that the memo itself would fill the memory."""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name not in _OPCODES:
            raise _Refused(f"its pickle uses {opcode.name}, which no plain tensor needs")
        if opcode.name in _MEMO_OPCODES and int(argument or 0) > len(pickled):
            raise _Refused(f"its pickle has a memo place {argument}, more than it has bytes")


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
        raise _Refused("expected an integer tensor, got one of another dtype")
    return np.dtype("<" + _DTYPES[name.name])


def _natural(value: object, what: str) -> int:
    if type(value) is not int or value < 0:
        raise _Refused(f"a tensor with {what} {value!r}")
    return value


def _naturals(values: object, what: str) -> tuple[int, ...]:
    if not isinstance(values, tuple):
        raise _Refused(f"a tensor with {what} {values!r}")
    return tuple(_natural(value, what) for value in values)


def _strided(flat: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> NDArray[Any]:
    """A C-ordered copy of the view that (offset, size, stride), in elements, cuts out of a storage."""
    elements = 1
    for length in size:
        elements *= length
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
    if len(size) != len(stride) or elements > MAX_ELEMENTS or (elements and last >= len(flat)):
        raise _Refused(f"a tensor of size {size} and stride {stride} that its {len(flat)} stored elements cannot hold")
    if not elements:
        return np.empty(size, dtype=flat.dtype)
    steps = tuple(step * flat.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(flat[offset:], shape=size, strides=steps, writeable=False).copy()
