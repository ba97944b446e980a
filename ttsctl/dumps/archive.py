"""Zip archives (``.npz``, ``.pt``) whose claims are checked before memory is taken for them."""

from __future__ import annotations

import io
import zipfile
from typing import BinaryIO

# The reader of zip archives parses the whole directory, of 46 bytes or more a member and 600 in memory.
MAX_DIRECTORY_BYTES = 2**20
CHUNK = 2**20


class _DirectoryOnly(io.BufferedIOBase):
    """A file that refuses to read more than a directory may have, while ``limited``."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.file = file
        self.limited = True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def read(self, size: int | None = -1) -> bytes:
        wanted = -1 if size is None else size
        if not self.limited:
            return self.file.read(wanted)
        data = self.file.read(wanted if 0 <= wanted <= MAX_DIRECTORY_BYTES else MAX_DIRECTORY_BYTES + 1)
        if len(data) > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"expected a directory of at most {MAX_DIRECTORY_BYTES:,} bytes, got more")
        return data


def open_archive(file: BinaryIO) -> zipfile.ZipFile:
    """The archive in ``file``. BadZipFile if it is none, or if its directory is too large."""
    limited = _DirectoryOnly(file)
    archive = zipfile.ZipFile(limited)
    limited.limited = False
    return archive


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytearray:
    """The content of a member.

    BadZipFile if it claims more than ``max_bytes``, has another size than it claims, or is compressed in a way of
    which a small piece may give any number of bytes at once.
    """
    if info.file_size > max_bytes:
        raise zipfile.BadZipFile(
            f"{info.filename}: expected at most {max_bytes:,} bytes once it is uncompressed, got {info.file_size:,}"
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{info.filename}: expected a stored or deflated member, got another compression")
    content = bytearray()
    with archive.open(info) as member:
        # Without a size the member would be uncompressed to its end, whatever it claims.
        while chunk := member.read(min(CHUNK, info.file_size - len(content))):
            content += chunk
    if len(content) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename}: expected {info.file_size:,} bytes, got {len(content):,}")
    return content
