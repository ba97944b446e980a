"""The checks of ``bench cuda``: each says what it found, or raises that it failed or cannot be made here."""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import torch

from ttsctl.core.files import read_json
from ttsctl.engine.bench.cuda.subject import Subject, speak
from ttsctl.engine.codegen.generator import Generation

# What `python -m ttsctl.engine.bench.cuda.cpu_codes` wrote on a CPU.
CPU_CODES = "cpu_codes.json"
# Of the ten minutes that the whole bench may take.
TESTS_TIMEOUT_S = 240.0


class CheckFailed(Exception):
    """The check found what must not be."""


class CheckSkipped(Exception):
    """The check cannot be made here; the message says why."""


def run_cuda_tests(subject: Subject) -> str:
    """The tests marked ``cuda``, in a process of their own; they lie beside the package in a checkout alone."""
    if not subject.plan.tests:
        raise CheckSkipped("left out as asked")
    root = Path(__file__).parents[4]
    if not (root / "tests" / "engine").is_dir():
        raise CheckSkipped("this is no checkout: the tests are not here")
    line = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "cuda", "-p", "no:cacheprovider", "tests"]
    try:
        done = subprocess.run(line, cwd=root, capture_output=True, text=True, timeout=TESTS_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"not done after {TESTS_TIMEOUT_S:g} s") from error
    said = next((text for text in reversed(done.stdout.strip().splitlines()) if text.strip()), "no output")
    if done.returncode or "passed" not in said:
        raise CheckFailed(f"pytest -m cuda ended in {done.returncode}: {said}")
    return said


def wait_for_nothing(subject: Subject) -> str:
    """Frames under torch's sync-debug mode "error": a frame that waits for the device, or copies from it, raises."""
    # 50 by default.
    frames = 2 * subject.plan.frames + 2
    config = subject.config(sampling={"max_new_tokens": frames + 2, "policy": "seeded", "top_p": 0.9})
    with subject.engine(config) as engine, torch.inference_mode(), engine.codegen_stage.in_force:
        generation, _ = engine.codegen_stage.begin(subject.request)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for number in range(frames):
                speak_frame(generation, number)
        except RuntimeError as error:
            raise CheckFailed(f"frame {number} waits: {str(error).splitlines()[0]}") from error
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return f"{frames} frames without a wait"


def speak_frame(generation: Generation, number: int) -> None:
    """Frame ``number`` of a generation, eagerly and without a look at it."""
    function, state = generation.function, generation.state
    if number:
        function.advance(state, state.reach_for(generation.positions + number))
    function.draw_group0(state, generation.noise)
    function.predict(state, generation.noise)


def give_the_cpus_codes(subject: Subject) -> str:
    """The built-in's float32 codes on this device against those that a CPU gave."""
    stored = read_json(Path(__file__).with_name(CPU_CODES), "the CPU's codes")
    builtin = Subject("builtin", subject.base, subject.plan, subject.device)
    for case in stored["cases"]:
        config = builtin.config(
            engine={"codegen_dtype": "float32", "decoder_dtype": "float32"},
            sampling={**case["sampling"], "max_new_tokens": stored["max_new_tokens"]},
        )
        with builtin.engine(config) as engine:
            found = speak(engine, builtin.request)
        if found.codes_hash != case["sha256"]:
            raise CheckFailed(f"{case['name']}: codes {found.codes_hash[:16]}, on the CPU {case['sha256'][:16]}")
    return f"{len(stored['cases'])} cases of the built-in, float32: equal"


def hold_one_hash(subject: Subject) -> str:
    """Eager and graphs, every packet size, with and without overlap: one hash of codes and one of PCM a kernel set."""
    plan, total = subject.plan, 0
    for kernels in kernel_sets(subject):
        seen: dict[tuple[str, str], str] = {}
        for graphs, packet, overlap in product((False, True), plan.packets, ("none", "thread")):
            config = subject.config(
                backend={"kernels": kernels},
                stream={"packet_tokens": packet, "overlap": overlap},
                graphs=dict.fromkeys(("talker", "predictor", "decoder"), graphs),
            )
            setup = f"kernels {kernels}, {'graphs' if graphs else 'eager'}, packets of {packet}, overlap {overlap}"
            with subject.engine(config) as engine:
                for run in range(plan.runs):
                    found = speak(engine, subject.request)
                    seen.setdefault((found.codes_hash, found.pcm_hash), f"{setup}, run {run + 1}")
                    total += 1
            if len(seen) > 1:
                first, other = list(seen.values())[:2]
                raise CheckFailed(f"{first} and {other} differ")
    return f"{total} runs: one sha256 of codes and one of PCM for each of {', '.join(kernel_sets(subject))}"


def ignore_the_batch(subject: Subject) -> str:
    """A request in a batch of 4 against alone: the same codes by ttsctl's kernels; what torch does is told."""
    told = []
    for kernels in kernel_sets(subject):
        hashes = []
        for batch in (1, 4):
            config = subject.config(backend={"kernels": kernels}, engine={"batch": batch})
            with subject.engine(config) as engine:
                hashes.append(speak(engine, subject.request).codes_hash)
        equal = hashes[0] == hashes[1]
        told.append(f"{kernels}: {'equal' if equal else 'other codes'}")
        if kernels == "triton" and not equal:
            raise CheckFailed("a batch of 4 changes a request's codes under kernels = triton")
    return "batch 1 against 4: " + ", ".join(told)


def kernel_sets(subject: Subject) -> tuple[str, ...]:
    """The values of ``backend.kernels`` that can run on this device."""
    return ("torch", "triton") if has_triton(subject.device) else ("torch",)


def has_triton(device: torch.device) -> bool:
    """Whether Triton is installed and has a driver for this device."""
    try:
        from triton.runtime import driver

        return device.type == "cuda" and bool(driver.active.get_current_device() >= 0)
    except (ImportError, RuntimeError, AttributeError, AssertionError):
        # Without a driver Triton asserts that it found one.
        return False
