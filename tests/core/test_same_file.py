"""One file under several names, and two files with one content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ttsctl.core.errors import InputError
from ttsctl.core.same_file import compared_with_itself, file_identity, same_file


def test_one_file_under_several_names(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "soft").symlink_to(file)
    (tmp_path / "chain").symlink_to("soft")
    (tmp_path / "latest").symlink_to("folder")
    os.link(file, tmp_path / "hard")
    names = ["a.npy", "./folder/../a.npy", "latest/../a.npy", "soft", "chain", "hard"]
    assert all(same_file(file, tmp_path / name) for name in names)
    assert same_file(tmp_path / "latest", tmp_path / "folder")


def test_a_copy_is_another_file(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x")
    b.write_bytes(b"x")
    assert not same_file(a, b)


@pytest.mark.parametrize("name", ["nowhere", "zero\0byte", "x" * 5000])
def test_a_path_without_a_file_is_an_input_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        file_identity(tmp_path / name)


def test_the_error_names_both_and_ends_in_3() -> None:
    error = compared_with_itself("a.npy", "b.npy")
    assert error.exit_status == 3 and "b.npy is the same file as a.npy" in str(error)
