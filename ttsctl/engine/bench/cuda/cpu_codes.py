"""Writes what a CPU's codes are, for ``bench cuda`` to hold against: ``python -m ttsctl.engine.bench.cuda.cpu_codes``.

Run it by hand when code generation rightly gives other codes; a test says when that is.
"""

from __future__ import annotations

from typing import Any

import torch

from ttsctl.core.config import Config
from ttsctl.core.files import write_json
from ttsctl.engine.bench.cuda.checks import CPU_CODES
from ttsctl.engine.bench.cuda.subject import Plan, Subject, speak

MAX_NEW_TOKENS = 5
SAMPLINGS: dict[str, dict[str, Any]] = {
    "greedy": {"policy": "greedy"},
    "seeded": {"policy": "seeded", "seed": 7},
    "seeded, top p": {"policy": "seeded", "seed": 8, "top_p": 0.8, "predictor_top_p": 0.9},
    "seeded, penalties": {
        "policy": "seeded",
        "seed": 9,
        "repetition_penalty": 1.2,
        "predictor_repetition_penalty": 1.1,
    },
}


def cpu_codes() -> dict[str, Any]:
    """The cases, each with its settings and the sha256 of the codes that this CPU gives."""
    builtin = Subject("builtin", Config(), Plan(), torch.device("cpu"))
    cases = []
    for name, sampling in SAMPLINGS.items():
        config = builtin.config(sampling={**sampling, "max_new_tokens": MAX_NEW_TOKENS})
        with builtin.engine(config) as engine:
            cases.append({"name": name, "sampling": sampling, "sha256": speak(engine, builtin.request).codes_hash})
    return {"max_new_tokens": MAX_NEW_TOKENS, "cases": cases}


if __name__ == "__main__":
    from pathlib import Path

    write_json(Path(__file__).with_name(CPU_CODES), cpu_codes())
