"""What the process that looks at torch leaves: all of it, a part of it before a crash, or nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from ttsctl.core.config import Config
from ttsctl.doctor.torch_process import SECTIONS, how_it_ended, read_sections, run_checkup
from ttsctl.runs.resolve_config import resolve_config

TORCH: dict[str, object] = {"torch": "2.13.0", "cuda": None, "gpus": [], "driver": None, "cudnn": None, "mkldnn": True}


@pytest.mark.slow
def test_every_section_is_found_here() -> None:
    checkup = run_checkup(Config())
    assert checkup.reasons == {}
    assert checkup.torch and checkup.torch.torch == torch.__version__
    assert checkup.convolutions and {c.operation for c in checkup.convolutions} == {"conv1d", "conv_transpose1d"}
    assert checkup.checkpoint and checkup.checkpoint.parameters > 1e6
    assert checkup.threads and all(ms > 0 for ms in checkup.threads.frame_ms.values())
    assert checkup.threads.chosen == (checkup.in_force or {})["threads"]


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_read_costs_only_its_own_sections(tmp_path: Path) -> None:
    checkup = run_checkup(resolve_config(None, None, [f"engine.checkpoint={json.dumps(str(tmp_path / 'none'))}"]))
    assert set(checkup.reasons) == {"checkpoint", "threads"} and "no such folder" in checkup.reasons["checkpoint"]
    assert checkup.torch is not None and checkup.convolutions is not None


def test_what_was_found_before_a_crash_counts() -> None:
    lines = [json.dumps({"section": "torch", "found": TORCH}), '{"section": "in_fo']
    checkup = read_sections(lines, how_it_ended(-11, ""))
    assert checkup.torch is not None and checkup.torch.mkldnn
    assert set(checkup.reasons) == set(SECTIONS) - {"torch"}
    assert "SIGSEGV" in checkup.reasons["threads"]


def test_a_python_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    checkup = run_checkup(Config())
    assert checkup.torch is None and "No module named torch" in checkup.reasons["torch"]
