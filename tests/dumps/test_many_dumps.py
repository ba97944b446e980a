"""Folders of bare code files, and thousands of dumps: what is printed stays short, and the summary has them all."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.dumps.dump_helpers import changed
from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.plurals import listed
from ttsctl.dumps import numpy_file
from ttsctl.dumps.compare import compare_dumps, judge_comparison
from ttsctl.dumps.manifest import write_manifest
from ttsctl.dumps.read import read_codes
from ttsctl.report.compare_hash import CompareSummary, run_compare_hash
from ttsctl.report.compare_hash_tables import MAX_ROWS, render

MANY = 120


def folder_of(folder: Path, codes: CodeArray, names: list[str], differing: str = "") -> Path:
    folder.mkdir()
    for name in names:
        np.save(folder / f"{name}.npy", changed(codes, 2, 3) if name == differing else codes)
    return folder


def many(prefix: str = "run") -> list[str]:
    return [f"{prefix}_{number:04}" for number in range(MANY)]


def printed(summary: CompareSummary) -> list[str]:
    said = io.StringIO()
    render(summary, Console(file=said, width=160))
    return said.getvalue().splitlines()


def test_a_folder_of_bare_codes_is_one_set(tmp_path: Path, codes: CodeArray) -> None:
    found = compare_dumps([folder_of(tmp_path / "a", codes, ["x", "y", "z"])])
    assert len(found.requests) == 1 and len(found.dumps) == 3 and judge_comparison(found).status == 0


def test_a_folder_of_bare_codes_with_one_that_differs(tmp_path: Path, codes: CodeArray) -> None:
    outcome = judge_comparison(compare_dumps([folder_of(tmp_path / "a", codes, ["x", "y", "z"], "y")]))
    assert outcome.status == 1 and "without metas: whether they ask for the same is not known" in outcome.headline


def test_two_folders_of_bare_codes_match_by_name(tmp_path: Path, codes: CodeArray) -> None:
    a = folder_of(tmp_path / "a", codes, ["x", "y", "z"])
    found = compare_dumps([a, folder_of(tmp_path / "b", codes, ["x", "y", "w"], "y")])
    assert [(pair.request, pair.equal) for pair in found.pairs] == [("x", True), ("y", False)]
    assert [line.split(":")[0] for line in found.unmatched] == ["z", "w"]


def test_a_file_beside_a_folder_of_bare_codes_is_compared_with_all_of_it(tmp_path: Path, codes: CodeArray) -> None:
    np.save(tmp_path / "golden.npy", codes)
    found = compare_dumps([tmp_path / "golden.npy", folder_of(tmp_path / "a", codes, ["x", "y"])])
    assert [(Path(pair.a).name, Path(pair.b).name) for pair in found.pairs] == [
        ("golden.npy", "x.npy"),
        ("golden.npy", "y.npy"),
    ]


def test_traces_are_no_codes(tmp_path: Path, codes: CodeArray) -> None:
    a = folder_of(tmp_path / "a", codes, ["x", "y"])
    np.savez(a / "trace_x.npz", codes)
    assert len(compare_dumps([a]).dumps) == 2


def test_what_a_folder_holds_besides_is_said(tmp_path: Path, codes: CodeArray, put: Callable[..., Path]) -> None:
    a = folder_of(tmp_path / "a", codes, ["codes_x", "codes_y", "other"])
    assert compare_dumps([a]).notes == [f"{a}: not named codes_<tag>, so not compared: other.npy"]
    for tag in "xy":
        put(tmp_path / "b", codes, tag)
    np.save(tmp_path / "b" / "other.npy", codes)
    assert "so not compared: other.npy" in compare_dumps([tmp_path / "b"]).notes[0]
    write_manifest(tmp_path / "b")
    np.save(tmp_path / "b" / "codes_z.npy", codes)
    assert "does not list codes_z.npy" in compare_dumps([tmp_path / "b"]).notes[0]


def test_an_unreadable_array_in_a_folder_is_named(tmp_path: Path, codes: CodeArray) -> None:
    a = folder_of(tmp_path / "a", codes, ["x", "y"])
    np.save(a / "w.npy", np.zeros((3, 16)))
    with pytest.raises(InputError, match=r"w\.npy: codes: expected an integer array"):
        compare_dumps([a])


def test_one_set_of_many_shows_groups_then_the_first_rows(tmp_path: Path, codes: CodeArray) -> None:
    differing = many()[MANY - 7]
    summary, _ = run_compare_hash([folder_of(tmp_path / "a", codes, many(), differing)], None, tmp_path / "out")
    lines = printed(summary)
    assert len(summary.pairs) == MANY - 1 and len(lines) < 2 * MAX_ROWS + 20
    assert max(map(len, lines)) <= 160
    groups = next(number for number, line in enumerate(lines) if "groups of equal codes" in line)
    pair = next(number for number, line in enumerate(lines) if "differ (value)" in line)
    assert groups < pair and differing in lines[pair], "one that differs is shown, wherever it stands"
    assert f"and {MANY - 1 - MAX_ROWS} more pairs: the summary has all {MANY - 1}" in lines
    assert any(f" {MANY - 1} " in line and f"and {MANY - 4} more" in line for line in lines)


def test_many_requests_are_rows_of_one_table(tmp_path: Path, codes: CodeArray) -> None:
    differing = many()[MANY - 7]
    sources = [folder_of(tmp_path / name, codes, many(), differing * (name == "b")) for name in "ab"]
    summary, _ = run_compare_hash(sources, None, tmp_path / "out")
    lines = printed(summary)
    assert (summary.exit_status, len(summary.requests)) == (1, MANY) and len(lines) < 2 * MAX_ROWS
    assert any(differing in line and "frame 2 (0.16 s), packet 0, codebook 3" in line for line in lines)
    assert f"and {MANY - MAX_ROWS} more requests: the summary has all {MANY}" in lines


def test_few_dumps_are_shown_in_full_and_in_their_order(tmp_path: Path, codes: CodeArray) -> None:
    names = many()[: MAX_ROWS + 1]
    summary, _ = run_compare_hash([folder_of(tmp_path / "a", codes, names, names[9])], None, tmp_path / "out")
    lines = printed(summary)
    rows = [
        line.split()[0] for line in lines if line.strip().startswith("run_") and ("equal" in line or "differ" in line)
    ]
    assert rows == [f"{name}.npy" for name in names[1:]] and not any("the summary has all" in line for line in lines)


@pytest.mark.parametrize("with_metas", [True, False])
def test_messages_stay_short(tmp_path: Path, codes: CodeArray, put: Callable[..., Path], with_metas: bool) -> None:
    if with_metas:
        for number in range(MANY):
            put(tmp_path / "a", codes, f"run_{number}", text=f"text {number}")
        put(tmp_path / "b", codes, text="another text")
    else:
        folder_of(tmp_path / "a", codes, many("a"))
        folder_of(tmp_path / "b", codes, many("b"))
    with pytest.raises(CannotJudge, match="no two dumps answer the same request") as caught:
        compare_dumps([tmp_path / "a", tmp_path / "b"])
    assert len(str(caught.value)) < 700 and "more" in str(caught.value)


def test_a_list_of_names_stays_short() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert listed([str(number) for number in range(2000)]) == "0, 1, 2 and 1,997 more"
    assert listed(["a", "b"], of=5000) == "a, b and 4,997 more"


def test_equal_headers_are_parsed_once_and_different_ones_each_for_itself(
    tmp_path: Path, codes: CodeArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy_file._parsed_header.cache_clear()
    arrays: list[Any] = [codes, codes[:3], codes.astype(np.int32), np.asfortranarray(codes), codes ^ 1]
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
    for number, array in [*enumerate(arrays)] * 3:
        assert np.array_equal(read_codes(tmp_path / f"{number}.npy"), array)
    found = numpy_file._parsed_header.cache_info()
    assert (found.misses, found.hits) == (4, 11)
    whole = (tmp_path / "0.npy").read_bytes()
    # A header that is right, before an array that is cut, is still refused.
    (tmp_path / "0.npy").write_bytes(whole[:-8])
    with pytest.raises(InputError, match="its header claims"):
        read_codes(tmp_path / "0.npy")
