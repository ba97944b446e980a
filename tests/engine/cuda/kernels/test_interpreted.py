"""The kernels in Triton's interpreter, in one process: equal to their twins, rows apart, and what is caught."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip("triton", reason="needs the extra 'cuda'")
pytestmark = pytest.mark.slow

# In units of the last place of the largest value: kernel and twin do not differ by a bit.
TOLERANCE = {"float32": 0.0, "bfloat16": 0.0}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    # The interpreter is chosen when a kernel is decorated, so by an environment of its own.
    run = subprocess.run(
        [sys.executable, "-m", "tests.engine.cuda.kernels.interpreted"],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    values: dict[str, Any] = json.loads(run.stdout)
    return values


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_kernels_equal_their_twins(found: dict[str, Any], dtype: str) -> None:
    assert len(found[dtype]) == 8 and all(value <= TOLERANCE[dtype] for value in found[dtype].values()), found[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_row_of_a_batch_is_the_row_alone(found: dict[str, Any], dtype: str) -> None:
    assert set(found[f"alone {dtype}"].values()) == {0.0}


def test_attention_sees_nothing_beyond_its_position(found: dict[str, Any]) -> None:
    assert found["beyond"] == {"same": True, "control": True}


def test_another_order_of_a_sum_is_seen(found: dict[str, Any]) -> None:
    assert all(value > 0 for value in found["orders"].values()), found["orders"]


def test_triton_and_torch_draw_the_same_noise(found: dict[str, Any]) -> None:
    assert found["noise"] == {"words": True, "uniforms": True, "control": True}


@pytest.mark.parametrize("name", ["greedy", "top_k", "top_p"])
def test_a_draw_is_its_twins_and_that_of_torch(found: dict[str, Any], name: str) -> None:
    # The control: noise of another frame gives other scores, where there is noise, or the frame's rules, at all.
    assert found["drawn"][name] == {"twin": True, "modules": True, "alone": True, "control": name == "greedy"}
