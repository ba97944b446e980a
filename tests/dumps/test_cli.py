"""``ttsctl compare-hash`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dumps.dump_helpers import changed
from ttsctl.report.compare_hash import CompareSummary

RUN = [sys.executable, "-c", "from ttsctl.cli.entry import run; run()", "compare-hash"]
HEAVY = ("torch", "scipy", "matplotlib", "pandas", "ttsctl.engine.model", "ttsctl.engine", "ttsctl.regress")


def compare_hash(folder: Any, *arguments: Any) -> Any:
    return subprocess.run([*RUN, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60)


def test_equal_is_0_with_a_summary(tmp_path: Path, codes: Any, put: Any) -> None:
    done = compare_hash(tmp_path, put(tmp_path, codes, "a"), put(tmp_path, codes, "b"))
    assert done.returncode == 0, done.stderr
    (run,) = (p for p in (tmp_path / "output" / "compare-hash").iterdir() if not p.is_symlink())
    summary = json.loads((run / "summary.json").read_text())
    assert done.stdout.startswith("EQUAL: 2 dumps, hash_unique = 1") and "summary.json" in done.stdout
    assert (summary["exit_status"], summary["equal"], summary["hash_unique"]) == (0, True, 1)
    assert summary["definitions"]["hash_unique"] and summary["provenance"]["python"]
    assert json.loads(CompareSummary.model_validate(summary).model_dump_json()) == summary
    assert "codes_b.npy" in done.stderr


def test_json_is_alone_on_stdout_and_names_the_difference(tmp_path: Path, codes: Any, put: Any) -> None:
    paths = put(tmp_path, codes, "a"), put(tmp_path, changed(codes, 12, 9), "b")
    done = compare_hash(tmp_path, *paths, "--json", "--out", tmp_path / "elsewhere")
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    (pair,) = summary["pairs"]
    found = {name: pair[name] for name in ("equal", "first_diff_frame", "kind", "packet", "codebook", "time_s")}
    expected = {"equal": False, "first_diff_frame": 12, "kind": "value", "packet": 3, "codebook": 9, "time_s": 0.96}
    assert found == expected and summary["first_diff_frame"] == 12
    assert (summary["hash_unique"], summary["first_packet_hash_unique"]) == (2, 1)
    assert "frame 12 (0.96 s), packet 3, codebook 9" in done.stderr
    assert (tmp_path / "elsewhere" / "compare-hash" / "latest" / "summary.json").is_file()


def test_nothing_comparable_is_3_and_writes_nothing(tmp_path: Path, codes: Any, put: Any) -> None:
    put(tmp_path / "a", codes)
    put(tmp_path / "b", codes, text="other")
    done = compare_hash(tmp_path, tmp_path / "a", tmp_path / "b")
    assert done.returncode == 3 and "no two dumps answer the same request" in done.stderr
    assert not (tmp_path / "output").exists()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["missing", "transposed", "one", "none", "packet_tokens", "damaged meta", "sha"])
def test_bad_input_is_2_in_one_line(tmp_path: Path, codes: Any, put: Any, case: Any) -> None:
    a, b = put(tmp_path, codes, "a"), put(tmp_path, codes, "b")
    arguments, says = {
        "missing": ([a, "nowhere.npy"], "No such file"),
        "transposed": ([a, "t.npy"], "codes: expected (T, 16), got (16, 21)"),
        "one": ([a], "at least two dumps"),
        "none": ([], "Missing argument"),
        "packet_tokens": ([a, b, "--packet-tokens", "0"], "packet-tokens"),
        "damaged meta": ([a, b], "malformed JSON"),
        "sha": ([a, b], "sha256 of its meta"),
    }[case]
    if case == "transposed":
        np.save(tmp_path / "t.npy", codes.T)
    elif case == "damaged meta":
        (tmp_path / "meta_b.json").write_text('{"tag": ')
    elif case == "sha":
        np.save(b, changed(codes, 0, 0))
    done = compare_hash(tmp_path, *arguments)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
    assert "Traceback" not in done.stderr and not (tmp_path / "output").exists()
    if case not in ("none", "packet_tokens"):  # those are the argument parser's, with its usage line
        assert done.stderr.count("\n") == 1


def test_an_output_folder_that_cannot_be_written(tmp_path: Path, codes: Any, put: Any) -> None:
    (tmp_path / "file").write_text("")
    done = compare_hash(tmp_path, *[put(tmp_path, codes, tag) for tag in "ab"], "--out", tmp_path / "file")
    assert done.returncode == 2 and "--out" in done.stderr and "Traceback" not in done.stderr


def test_labels_are_not_taken_for_markup(tmp_path: Path, codes: Any, put: Any) -> None:
    folder = tmp_path / "[bold]x[/nothing]"
    done = compare_hash(tmp_path, put(folder, codes, "a"), put(folder, codes, "b", text_id="[red]"))
    assert done.returncode == 0, done.stderr
    assert "[/nothing]" in done.stderr


def test_no_heavy_import(tmp_path: Path, codes: Any, put: Any) -> None:
    """Not even for a .pt file."""
    import torch

    torch.save(torch.from_numpy(codes), tmp_path / "x.pt")
    script = (
        "import sys\n"
        "from ttsctl.cli.main import run\n"
        "try:\n    run()\n"
        "except SystemExit as end:\n"
        "    print(end.code, *sorted(sys.modules), file=open('modules', 'w'))\n"
    )
    command = [sys.executable, "-c", script, "compare-hash", put(tmp_path, codes, "a"), tmp_path / "x.pt"]
    subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, timeout=60, check=True)
    status, *modules = (tmp_path / "modules").read_text().split()
    assert status == "0" and "numpy" in modules
    assert not [name for name in modules if name.startswith(HEAVY)]
