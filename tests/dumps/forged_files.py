"""Files whose headers claim what is not there, or that become huge once they are read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

MIB = 2**20


def zeros_deflated(mebibytes: int) -> bytes:
    """A deflate stream of so many MiB of zeros, a thousandth of that long; made without compressing them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * mebibytes + packer.flush()


def forged_zip(*members: tuple[str, bytes, int, int]) -> bytes:
    """An archive of (name, stored bytes, claimed size, compression); the checksums are not right."""
    body, directory = b"", b""
    for name, data, size, method in members:
        told = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 0, 0, len(data), size, len(name), 0)
        directory += b"PK\x01\x02\x14\x00" + told + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + told + name.encode() + data
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def stored_zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy_header(shape: str, descr: str = "'<i8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def peak_mib(work: Callable[[], object]) -> float:
    """The most memory, in MiB, that Python and numpy held for ``work``."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
