"""Files are regular and of a bounded size before a byte of them is read, and documents are not nested without end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, open_regular, read_json, read_regular, read_toml, toml_value
from ttsctl.core.nesting import MAX_NESTING


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def unix_socket(path: Path) -> Path:
    socket.socket(socket.AF_UNIX).bind(str(path))
    return path


def link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


NOT_REGULAR: dict[str, Callable[[Path], Path]] = {
    "FIFO": lambda folder: fifo(folder / "x"),
    "device": lambda folder: Path("/dev/zero"),
    "link to a device": lambda folder: link(folder / "x", "/dev/zero"),
    "link to a FIFO": lambda folder: link(folder / "y", str(fifo(folder / "x"))),
    "folder": lambda folder: folder,
}


@pytest.mark.parametrize("name", NOT_REGULAR)
@pytest.mark.parametrize("read", [read_json, read_toml])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, name: str, read: Callable[[Path], Any]) -> None:
    path = NOT_REGULAR[name](tmp_path)
    with pytest.raises(InputError, match=rf"expected a regular file, got a {name.split()[-1]}"):
        read(path)


def test_a_fifo_with_a_writer_is_refused_too(tmp_path: Path) -> None:
    path = fifo(tmp_path / "x")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        writer = os.open(path, os.O_WRONLY)
        os.write(writer, b"{}")
        os.close(writer)
        with pytest.raises(InputError, match="got a FIFO"):
            read_json(path)
    finally:
        os.close(reader)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with pytest.raises(InputError, match="x: No such device or address"):
        read_json(unix_socket(Path("x")))


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a" * 5000, "missing"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"texts .*; check the path"):
        read_json(tmp_path / name, "texts")


def test_the_limit_of_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"12345")
    assert read_regular(path, "", 5) == b"12345", "the control: a file at the limit is read"
    with pytest.raises(InputError, match=r"codes .*x: expected at most 4 bytes, got 5; check that it is the right"):
        open_regular(path, "codes", 4)


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """Nothing of it is read: reading 2^40 bytes would fill the memory."""
    for read, limit in ((read_json, "4,194,304"), (read_toml, "1,048,576")):
        path = write(tmp_path / "x", b"")
        os.truncate(path, 2**40)
        with pytest.raises(InputError, match=f"expected at most {limit} bytes, got 1,099,511,627,776"):
            read(path)


def test_a_file_that_grows_is_read_no_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x", b"1" * 100)
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda descriptor: os.stat_result((*real(descriptor)[:6], 3, 0, 0, 0)))
    with pytest.raises(InputError, match="expected at most 10 bytes, got more, and it is growing"):
        read_regular(path, "", 10)


def test_every_kind_of_file_has_a_limit() -> None:
    """A document takes up to 25 times its bytes once it is parsed: all of them stay well under 1 GB."""
    assert MAX_BYTES["record"] * 25 < 500e6 and MAX_BYTES["toml"] * 25 < 500e6
    assert MAX_BYTES["codes"] <= 2**28 and MAX_BYTES["trace"] <= 2**28


def nested_json(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def dotted(parts: int) -> bytes:
    return b".".join([b"a"] * parts) + b" = 1"


@pytest.mark.parametrize(
    ("read", "deep", "says"),
    [
        (read_json, nested_json, "levels of nesting"),
        (read_toml, lambda levels: b"a = " + nested_json(levels - 1), "levels of nesting"),
        (read_toml, lambda levels: b"a = " + b"{a = " * (levels - 1) + b"1" + b"}" * (levels - 1), "levels of nesting"),
        (read_toml, dotted, "levels of nesting"),
        (read_toml, lambda levels: b"[" + b".".join([b"a"] * (levels - 1)) + b"]\nb = 1", "levels of nesting"),
        (read_toml, lambda levels: b" . ".join([b'"a.b"', b"'c'"] * (levels // 2)) + b" = 1", "levels of nesting"),
    ],
)
def test_nesting(tmp_path: Path, read: Callable[[Path], Any], deep: Callable[[int], bytes], says: str) -> None:
    assert read(write(tmp_path / "x", deep(MAX_NESTING))), "the control: that deep is read"
    for levels in (MAX_NESTING + 2, 900, 100_000):
        with pytest.raises(InputError, match=says):
            read(write(tmp_path / "x", deep(levels)))


@pytest.mark.parametrize(
    "text",
    ['"{}"', "'{}'", '"""{}"""', "'''{}'''", "1 # {}", '"""\\""" {} """', '"\\" {}"', '"""a"""" # {}', "'''{}''''"],
)
def test_dots_in_strings_and_comments_are_no_keys(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "x", b"a = " + text.format(".".join("abc" * 30)).encode())
    assert "a" in read_toml(path)
    path.write_bytes(path.read_bytes() + b"\n" + dotted(100))
    with pytest.raises(InputError, match="levels of nesting"):
        read_toml(path)


def test_an_array_of_many_numbers_is_no_long_key(tmp_path: Path) -> None:
    assert len(read_toml(write(tmp_path / "x", b"a = [" + b"1.5, " * 1000 + b"]"))["a"]) == 1000


def test_unfinished_strings_are_scanned_once(tmp_path: Path) -> None:
    """Each quote could be tried as the start of a string that runs to the end: 2^17 times 500 kB."""
    done: list[str] = []

    def read() -> None:
        with pytest.raises(InputError, match="malformed TOML"):
            read_toml(write(tmp_path / "x", b'a = """' + b'\\"""' * 2**17))
        done.append("read")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(60)
    assert done


@pytest.mark.parametrize(("read", "text"), [(read_json, b"[%s]"), (read_toml, b"a = %s")])
def test_whole_numbers_of_thousands_of_digits(tmp_path: Path, read: Callable[[Path], Any], text: bytes) -> None:
    with pytest.raises(InputError, match="a whole number has thousands of digits"):
        read(write(tmp_path / "x", text % (b"1" * 6000)))


def test_a_set_value_that_is_too_much() -> None:
    for text in ("1" * 6000, "[" * 5000, "{a=" * 5000, "{" + dotted(100_000).decode() + "}"):
        with pytest.raises(InputError, match="value: "):
            toml_value(text)
