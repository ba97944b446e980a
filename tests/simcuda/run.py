"""Speaks one text under several configurations on the simulated device: ``python -m tests.simcuda.run CASES.json``.

CASES.json is a list of ``Case``; the answers go to stdout as JSON, with those of all
``scenarios``. What a case's codes should be is spoken on the
CPU first, before the simulated device is there.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.simcuda.install import before_the_engine, install

before_the_engine()

from tests.simcuda.findings import FOUND  # noqa: E402
from tests.simcuda.marks import marked_frames  # noqa: E402
from tests.simcuda.plants import PLANTS  # noqa: E402
from tests.simcuda.scenarios import run_scenarios  # noqa: E402
from ttsctl.core.request import Request, Voice  # noqa: E402
from ttsctl.core.run import Run  # noqa: E402
from ttsctl.engine.local import load_engine  # noqa: E402  after what the engine takes from torch is in place
from ttsctl.runs.resolve_config import resolve_config  # noqa: E402
from ttsctl.runs.run_stream import run_stream  # noqa: E402

REQUEST = Request("Good morning, how are you today? It is fine.", Voice("vivian", "vivian"))
# Settings of the device alone, which a run on the CPU does not have.
OF_THE_DEVICE = ("stream.", "graphs.", "engine.codegen_device", "engine.decoder_device", "record.")


@dataclass(frozen=True)
class Case:
    """A configuration, and the fault to plant in it, by its name in ``plants``."""

    sets: tuple[str, ...]
    plant: str | None = None


@dataclass(frozen=True)
class Answer:
    """What one case showed. ``error``: what it raised instead of speaking."""

    problems: dict[str, int]
    waits: dict[str, int]
    frame_waits: dict[str, int]
    frames: int
    packets: int
    # Frames under one reach of attention give one of these: operations with their shapes.
    distinct_frames: int
    operations_a_frame: int
    same_codes: bool | None
    pcm_difference: float | None
    error: str | None


def speak(sets: Iterable[str], device: str) -> Run:
    """The request spoken by a fresh engine on the built-in checkpoint."""
    config = resolve_config({"engine": {"checkpoint": "builtin", "device": device}}, None, list(sets))
    engine = load_engine(config)
    FOUND.clear()
    try:
        return run_stream(engine, REQUEST, threading.Event())
    finally:
        engine.close()


def on_cpu(case: Case) -> tuple[str, ...]:
    """The settings of the case that a run on the CPU has too."""
    return tuple(setting for setting in case.sets if not setting.startswith(OF_THE_DEVICE))


def answer(case: Case, wanted: Run) -> Answer:
    """Speak on the simulated device and say what was found."""
    run, error = None, None
    with ExitStack() as stack:
        if case.plant is not None:
            stack.enter_context(PLANTS[case.plant]())
        stack.enter_context(marked_frames())
        try:
            run = speak(case.sets, "cuda")
        except Exception as caught:  # noqa: BLE001  it is the answer
            error = f"{type(caught).__name__}: {caught}"
    same, difference = None, None
    if run is not None:
        same = bool(np.array_equal(run.require_codes(), wanted.require_codes()))
        ours, theirs = run.require_pcm(), wanted.require_pcm()
        difference = float(np.abs(ours - theirs).max()) if len(ours) == len(theirs) and len(ours) else None
    found = {name: dict(getattr(FOUND, name)) for name in ("problems", "waits", "frame_waits")}
    # The first frame has no step of the talker before it.
    later = FOUND.frames[1:]
    return Answer(
        **found,
        frames=len(FOUND.frames),
        packets=0 if run is None else len(run.packets or ()),
        distinct_frames=len({tuple(frame) for frame in later}),
        operations_a_frame=len(later[0]) if later else 0,
        same_codes=same,
        pcm_difference=difference,
        error=error,
    )


def main(path: str) -> dict[str, Any]:
    torch.set_num_threads(1)
    cases = [Case(tuple(case["sets"]), case.get("plant")) for case in json.loads(Path(path).read_text())]
    wanted: dict[tuple[str, ...], Run] = {}
    for case in cases:
        sets = on_cpu(case)
        if sets not in wanted:
            wanted[sets] = speak(sets, "cpu")
    install()
    scenarios = run_scenarios()
    return {"scenarios": scenarios, "cases": [asdict(answer(case, wanted[on_cpu(case)])) for case in cases]}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
