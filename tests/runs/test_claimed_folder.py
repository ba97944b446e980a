"""Temporary folders of killed processes go; those of living ones, and what cannot be told, stay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ttsctl.core.errors import InputError, Interrupted
from ttsctl.core.files import write_text
from ttsctl.report.run_folder import append_history, run_folder
from ttsctl.report.synth import SynthSummary
from ttsctl.runs import claimed_folder as module
from ttsctl.runs.claimed_folder import claimed_folder, sweep_abandoned

OWNER = """
import sys
from pathlib import Path
from ttsctl.runs.claimed_folder import claimed_folder

with claimed_folder(Path(sys.argv[1]), ".run-") as folder:
    (folder / "file").write_text("x")
    folder.with_name(folder.name + ".latest").symlink_to("nowhere")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def owner(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    line = [sys.executable, "-c", OWNER, str(parent)]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, parent / process.stdout.readline().strip()


def test_of_a_living_process_it_stays_and_of_a_killed_one_it_goes(tmp_path: Path) -> None:
    process, folder = owner(tmp_path)
    try:
        sweep_abandoned(tmp_path, ".")
        assert (folder / "file").exists()
    finally:
        process.kill()
        process.communicate()
    assert (folder / "file").exists()
    sweep_abandoned(tmp_path, ".other-")
    assert folder.exists()
    sweep_abandoned(tmp_path, ".")
    assert list(tmp_path.iterdir()) == []


def test_of_another_machine_or_without_a_lock_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, folder = owner(tmp_path)
    process.kill()
    process.communicate()
    (tmp_path / ".20260101_000000-abc").mkdir()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(module, "_machine_mark", lambda: "0" * 8)
        sweep_abandoned(tmp_path, ".")
    assert folder.exists()
    sweep_abandoned(tmp_path, ".")
    assert [path.name for path in tmp_path.iterdir()] == [".20260101_000000-abc"]


def test_nothing_is_left_of_a_block_that_ends(tmp_path: Path) -> None:
    with claimed_folder(tmp_path, ".a[b]-") as folder:
        (folder / "file").write_text("x")
        sweep_abandoned(tmp_path, ".")
        assert (folder / "file").exists()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_what_it_leaves(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as stopped, run_folder(tmp_path / "out", SynthSummary):
        raise Interrupted
    assert stopped.value.left == "nothing was written" and list(tmp_path.iterdir()) == []


def test_a_folder_that_was_removed_meanwhile_is_no_run(tmp_path: Path) -> None:
    """A file written later would make it anew, without those before."""
    with pytest.raises(InputError, match="removed"), run_folder(tmp_path, SynthSummary) as run:
        run.path.rmdir()
        write_text(run.path / "deeper" / "file", "x")
    assert not list(tmp_path.rglob("file"))


def test_a_history_that_cannot_be_written_is_a_reason(tmp_path: Path) -> None:
    assert append_history(tmp_path, {"a": "\udcff"}) is None
    assert json.loads((tmp_path / "summary.jsonl").read_text()) == {"a": "\\xff"}
    (tmp_path / "b" / "summary.jsonl").mkdir(parents=True)
    assert "Is a directory" in (append_history(tmp_path / "b", {}) or "")
