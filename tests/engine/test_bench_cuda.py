"""``bench cuda``: its stored codes, its judgement, and the whole command on a simulated device."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any, get_args

import pytest

from tests.cli.cli_helpers import start
from ttsctl.core.cuda_results import CudaCheck, CudaFigure, Outcome
from ttsctl.engine.bench.cuda import checks
from ttsctl.engine.bench.cuda.cpu_codes import cpu_codes
from ttsctl.report.bench_cuda import judge_checks

ROOT = Path(__file__).parents[2]


def check(outcome: Outcome) -> CudaCheck:
    return CudaCheck("a", None, outcome, "b", 0.0)


def test_the_stored_codes_are_this_cpus() -> None:
    stored = json.loads(Path(checks.__file__).with_name(checks.CPU_CODES).read_text(encoding="utf-8"))
    assert cpu_codes() == stored
    assert len({case["sha256"] for case in stored["cases"]}) == len(stored["cases"]) == 4


def test_a_failure_is_1_and_nothing_that_passed_is_3() -> None:
    kinds: dict[str, Outcome] = {kind[0]: kind for kind in get_args(Outcome)}
    for kinds_of_all, status in (("p", 0), ("ps", 0), ("pf", 1), ("f", 1), ("sf", 1), ("s", 3), ("", 3)):
        assert judge_checks(tuple(check(kinds[kind]) for kind in kinds_of_all)) == status, kinds_of_all


def test_an_aim_is_reached_or_not_or_nothing_is_known() -> None:
    def reached(value: float | None, limit: float | None) -> bool | None:
        return CudaFigure("a", "b", "c", "ms", value, limit=limit).reached

    assert reached(2.0, 2.0) is True and reached(2.1, 2.0) is False
    assert reached(None, 2.0) is None and reached(2.0, None) is None


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    command = start("bench", "cuda", "--set", "engine.device=cpu", "--out", tmp_path / "out")
    _, said = command.communicate()
    assert command.returncode == 2 and "run it where a CUDA device is" in said and "Traceback" not in said


@pytest.mark.slow
def test_the_whole_command_on_a_simulated_device(tmp_path: Path) -> None:
    """Everything but times and kernels runs; what must be noticed is, and nothing is accused."""
    if which("g++") is None:
        pytest.skip("the simulated device needs a C++ compiler")
    line = [sys.executable, "-m", "tests.simcuda.bench", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = json.loads(done.stdout)
    outcomes = {made["name"]: made["outcome"] for made in summary["checks"]}
    left_out = {"cuda tests", "missing event noticed", "kernels as their twins"}
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == left_out
    assert {outcome for name, outcome in outcomes.items() if name not in left_out} == {"pass"}
    assert summary["simulated"] and summary["figures"] == [] and "one hash" in outcomes
