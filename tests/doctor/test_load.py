"""Load and usable cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttsctl.doctor.load import judge_load, read_quota, usable_cores


def test_a_busy_machine_is_a_warning() -> None:
    assert judge_load(2, 2, 0.3).status == "ok"
    assert judge_load(2, 2, 2.0).status == "warning"


@pytest.mark.parametrize(
    ("line", "quota"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1 0", None), ("a b c", None)]
)
def test_a_containers_quota(line: str, quota: float | None, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(line)
    assert read_quota(file) == quota


def test_a_quota_bounds_the_cores(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cores(tmp_path / "cpu.max") == 1
    assert usable_cores(tmp_path / "none") >= 1
