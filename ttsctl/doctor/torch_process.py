"""Runs the look at torch in a process of its own, and reads back its sections, also those from before a crash."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from ttsctl.core.checkup import CheckpointFound, ConvolutionFound, Section, ThreadsFound, TorchFound
from ttsctl.core.config import Config

# Importing torch from a cold network disk, and reading 4 GB of weights.
TIMEOUT_S = 600.0
SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True)
class TorchCheckup:
    """What was found, section by section. A section that is None has its reason in ``reasons``."""

    torch: TorchFound | None = None
    in_force: dict[str, Any] | None = None
    convolutions: tuple[ConvolutionFound, ...] | None = None
    checkpoint: CheckpointFound | None = None
    threads: ThreadsFound | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def run_checkup(config: Config) -> TorchCheckup:
    """Look at torch under ``config`` in a new process."""
    with tempfile.TemporaryDirectory(prefix="ttsctl-doctor-") as folder:
        results = Path(folder) / "sections.jsonl"
        arguments = [sys.executable, "-m", "ttsctl.engine.checkup", json.dumps(config.to_dict()), str(results)]
        try:
            done = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
            )
            end = how_it_ended(done.returncode, done.stderr.decode("utf-8", "replace"))
        except subprocess.TimeoutExpired:
            end = f"it took longer than {TIMEOUT_S:g} s"
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return read_sections(lines, end)


def how_it_ended(status: int, stderr: str) -> str:
    """The end of the process in words: the signal that killed it, or the last line that it wrote."""
    if status < 0:
        return f"the process that looked at torch died of {signal.Signals(-status).name}"
    last = (stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"the process that looked at torch ended with {status}: {last}"


def read_sections(lines: list[str], end: str) -> TorchCheckup:
    """Lines of JSON, the last of which may be cut off -> what they found; ``end`` is the reason of what is missing."""
    found: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for line in lines:
        try:
            section = json.loads(line)
        except json.JSONDecodeError:
            break
        if "found" in section:
            found[section["section"]] = section["found"]
        else:
            reasons[section["section"]] = section["reason"]
    reasons |= {name: end for name in SECTIONS if name not in found and name not in reasons}
    return TypeAdapter(TorchCheckup).validate_json(json.dumps({**found, "reasons": reasons}))
