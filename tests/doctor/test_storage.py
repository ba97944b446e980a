"""A folder that can hold runs is ok; one that cannot is a failure; nothing is left in either."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ttsctl.doctor import storage
from ttsctl.doctor.storage import check_folder


def test_a_folder_that_does_not_exist_yet_is_looked_at_where_it_would_be(tmp_path: Path) -> None:
    assert check_folder("output folder", tmp_path / "a" / "b").status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = check_folder("output folder", tmp_path / "file" / "below", "--out")
    assert check.status == "failure" and "--out" in check.advice


@pytest.mark.parametrize(("free", "status"), [(1 << 31, "ok"), (500 << 20, "warning"), (1 << 20, "failure")])
def test_space(free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    check = check_folder("temporary folder", tmp_path)
    assert check.status == status and bool(check.advice) == (status != "ok")


def test_a_file_system_without_links_and_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLock:
        def __init__(self, *_: object, **__: object) -> None:
            raise NotImplementedError

    def no_link(self: Path, target: str) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(Path, "symlink_to", no_link)
    monkeypatch.setattr(storage, "FileLock", NoLock)
    check = check_folder("output folder", tmp_path)
    assert check.status == "warning" and "latest" in check.found and "locks" in check.found
