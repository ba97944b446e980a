"""The engine on a simulated CUDA device: its streaming forms have no race and give the CPU's codes.

One process speaks all cases: the simulated device changes torch for good.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.simcuda.findings import REPOSITORY
from tests.simcuda.guard import why_not

pytestmark = [pytest.mark.slow, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]

# Two frames, each a packet. In float32 the CPU's codes are the measure.
COMMON = ("sampling.max_new_tokens=3", "stream.packet_tokens=1", "engine.codegen_dtype=float32")
# Three frames, so that two later ones can be compared, in two packets of which the second is not full.
LONGER = ("sampling.max_new_tokens=4", "stream.packet_tokens=2")
GREEDY = (*COMMON, "sampling.policy=greedy")
SEEDED = (*COMMON, "sampling.policy=seeded")
THREAD = (*SEEDED, "stream.overlap=thread", "stream.sync=event")

GRAPHS = ("graphs.talker=true", "graphs.predictor=true", "graphs.decoder=true")

CLEAN: dict[str, tuple[str, ...]] = {
    "greedy": (*GREEDY, *LONGER),
    "none": (*SEEDED, *LONGER),
    "thread": (*SEEDED, "stream.overlap=thread"),
    "thread-event": (*THREAD, *LONGER),
    "thread-phase": (*SEEDED, "stream.overlap=thread", "stream.sync=phase"),
    "thread-sync": (*SEEDED, "stream.overlap=thread", "stream.sync=sync"),
    "windowed": (*THREAD, "decoder.mode=windowed"),
    "cached-every-2": (*THREAD, "decoder.mode=cached", "stream.decode_every=2"),
    "oneshot": (*THREAD, "decoder.mode=oneshot"),
    "window-phase": (*SEEDED, "stream.overlap=thread", "stream.sync=phase", "decoder.transformer=window"),
    "full-legacy": (*SEEDED, "decoder.transformer=full", "decoder.padding=legacy"),
    "all-limits": (
        *THREAD,
        "sampling.top_p=0.8",
        "sampling.predictor_top_p=0.8",
        "sampling.predictor_repetition_penalty=1.1",
        "determinism.level=strict",
        *LONGER,
    ),
    "modules-traced": (*THREAD, "record.trace=modules"),
    "codes-traced": (*THREAD, "record.trace=codes"),
    "clamped-prefill": (*THREAD, "determinism.clamp_codes=true", "stream.prefill_packets=2"),
    "package-noise": (*THREAD, "sampling.noise=package"),
    "graphs": (*THREAD, *GRAPHS, "sampling.max_new_tokens=4"),
    "graph-of-the-predictor": (*SEEDED, "graphs.predictor=true"),
    "decoder-on-cpu": (*SEEDED, "engine.decoder_device=cpu"),
    "codegen-on-cpu": (*SEEDED, "engine.codegen_device=cpu"),
}
# What may look at values: a trace records every one.
LOOKS_INSIDE = ("modules-traced", "codes-traced", "codegen-on-cpu")
# A replay runs no Python, so no frame is seen to begin or end.
COMPARED = ("greedy", "none", "thread-event", "all-limits")
REPLAYED = ("graphs", "graph-of-the-predictor")
FAULTS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no_wait_for_the_event": ((*SEEDED, "stream.overlap=thread", "stream.sync=event"), "problems", "race: "),
    "host_copy_read_at_once": ((*SEEDED, "stream.overlap=thread"), "problems", "race: the host reads what"),
    "generator_on_the_host": ((*SEEDED, "sampling.noise=package"), "problems", "a generator on cpu"),
    "operand_on_the_host": (SEEDED, "problems", "mixed devices"),
    "id_read_in_the_frame": (SEEDED, "frame_waits", "aten::_local_scalar_dense"),
}

Answers = dict[str, Any]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    cases: list[dict[str, Any]] = [{"sets": sets, "plant": None} for sets in CLEAN.values()]
    cases += [{"sets": sets, "plant": name} for name, (sets, _, _) in FAULTS.items()]
    path = tmp_path_factory.mktemp("simcuda") / "cases.json"
    path.write_text(json.dumps(cases))
    command = [sys.executable, "-m", "tests.simcuda.run", str(path)]
    done = subprocess.run(command, cwd=Path(REPOSITORY), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    named = dict(zip([*CLEAN, *FAULTS], found["cases"], strict=True))
    return {"cases": named, "scenarios": found["scenarios"]}


@pytest.mark.parametrize("name", CLEAN)
def test_no_race_no_mixed_device_and_the_codes_of_the_cpu(name: str, answers: Answers) -> None:
    case = answers["cases"][name]
    assert case["error"] is None
    assert not case["problems"]
    assert case["same_codes"]
    assert case["frames"] == (0 if name in REPLAYED else 3 if name in COMPARED else 2)


@pytest.mark.parametrize("name", [name for name in CLEAN if name not in (*LOOKS_INSIDE, *REPLAYED)])
def test_no_wait_inside_a_frame(name: str, answers: Answers) -> None:
    assert not answers["cases"][name]["frame_waits"]


@pytest.mark.parametrize("name", COMPARED)
def test_every_frame_has_one_sequence_of_operations_and_shapes(name: str, answers: Answers) -> None:
    assert answers["cases"][name]["distinct_frames"] == 1


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, answers: Answers) -> None:
    _, where, message = FAULTS[name]
    assert any(message in found for found in answers["cases"][name][where]), answers["cases"][name]


def test_the_rules_themselves(answers: Answers) -> None:
    from tests.simcuda.scenarios import SCENARIOS

    for name, (_, expected) in SCENARIOS.items():
        found = answers["scenarios"][name]
        if expected is None:
            assert not found, name
        else:
            assert any(expected in line for line in found), (name, found)
