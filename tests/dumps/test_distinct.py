"""A file that is named twice is one dump: compared with itself it is never a pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.dumps.dump_helpers import changed
from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import CannotJudge
from ttsctl.dumps.compare import DumpComparison, compare_dumps, judge_comparison

Put = Callable[..., Path]


def compared(folder: Path, *names: str) -> DumpComparison:
    return compare_dumps([folder / name for name in names])


@pytest.fixture
def runs(tmp_path: Path, codes: CodeArray, put: Put) -> Path:
    """``one`` holds run a, ``two`` runs a and b, all equal; ``bare`` x.npy and y.npy, which differ; and many links."""
    put(tmp_path / "one", codes, "a")
    for tag in "ab":
        put(tmp_path / "two", codes, tag)
    (tmp_path / "bare").mkdir()
    np.save(tmp_path / "bare" / "x.npy", codes)
    np.save(tmp_path / "bare" / "y.npy", changed(codes, 3, 3))
    (tmp_path / "latest").symlink_to("two")
    (tmp_path / "soft.npy").symlink_to("one/codes_a.npy")
    os.link(tmp_path / "one" / "codes_a.npy", tmp_path / "hard.npy")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "meta_a.json").symlink_to("../one/meta_a.json")
    return tmp_path


@pytest.mark.parametrize(
    "names",
    [
        ("one/codes_a.npy", "one/codes_a.npy"),
        ("one/codes_a.npy", "./one/../one/codes_a.npy"),
        ("one/codes_a.npy", "soft.npy"),
        ("hard.npy", "one/codes_a.npy"),
        ("one/codes_a.npy", "one/meta_a.json"),
        ("one/codes_a.npy", "links/meta_a.json"),
        ("links/meta_a.json", "one"),
        ("one", "one"),
        ("one", "one/codes_a.npy"),
        ("one/codes_a.npy", "one"),
        ("two", "latest"),
        ("latest", "two", "two/codes_b.npy"),
        ("two", "two/codes_a.npy"),
        ("two/codes_a.npy", "latest"),
        ("bare", "bare"),
        ("one/codes_a.npy",) * 50,
    ],
)
def test_a_self_comparison_is_3_with_the_reason(runs: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(CannotJudge, match="is the same file as"):
        compared(runs, *names)


@pytest.mark.parametrize(
    ("names", "dumps"),
    [
        (("two/codes_a.npy", "two/codes_b.npy", "two/codes_a.npy"), 2),
        (("two/codes_a.npy", "two/codes_b.npy", "latest"), 2),
        (("one", "two", "latest"), 3),
        (("one/codes_a.npy", "two", "hard.npy"), 3),
    ],
)
def test_what_is_named_again_is_counted_once_and_said(runs: Path, names: tuple[str, ...], dumps: int) -> None:
    found = compared(runs, *names)
    assert len(found.dumps) == dumps and judge_comparison(found).status == 0
    assert sum("named again, counted once" in note for note in found.notes) == 1
    assert judge_comparison(found).headline.startswith(f"EQUAL: {dumps} dumps")


@pytest.mark.parametrize("names", [("one", "two"), ("one/codes_a.npy", "two/codes_a.npy"), ("two",)])
def test_different_files_of_equal_content_are_a_fair_comparison(runs: Path, names: tuple[str, ...]) -> None:
    found = compared(runs, *names)
    assert judge_comparison(found).status == 0 and not found.notes


def test_a_copy_of_a_folder_is_another_folder(runs: Path) -> None:
    shutil.copytree(runs / "two", runs / "copy")
    assert judge_comparison(compared(runs, "two", "copy")).status == 0


def test_a_difference_is_still_found_beside_a_repeat(runs: Path) -> None:
    found = compared(runs, "bare/x.npy", "bare/y.npy", "bare/x.npy")
    assert judge_comparison(found).status == 1
