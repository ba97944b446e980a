"""What the simulated device found, and where in the project it happened."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# The project's own code; the simulated device itself is never the place of a finding.
OWN = (str(REPOSITORY / "ttsctl"), str(REPOSITORY / "tests" / "simcuda" / "plant"))


def where() -> str:
    """File and line of the innermost caller in the project."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OWN):
            return f"{name[len(str(REPOSITORY)) + 1 :]}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "elsewhere"


@dataclass
class Findings:
    """Counts by what and where. ``problems`` must be empty; ``waits`` are the host's, ``frame_waits`` in a frame."""

    problems: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    frame_waits: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    # One list of (operation, shapes) for each frame, kept if asked for.
    frames: list[list[str]] = field(default_factory=list)
    inside: threading.local = field(default_factory=threading.local)
    refuse_waits: bool = False

    def problem(self, what: str) -> None:
        self.problems[f"{what} at {where()}"] += 1

    def wait(self, what: str) -> None:
        """The host waits for the device."""
        line = f"{what} at {where()}"
        self.waits[line] += 1
        if getattr(self.inside, "frame", None) is not None:
            self.frame_waits[line] += 1
        if self.refuse_waits:
            raise RuntimeError(f"called a synchronizing CUDA operation: {line}")

    def launched(self, name: str, shapes: list[tuple[int, ...]]) -> None:
        self.operations += 1
        frame = getattr(self.inside, "frame", None)
        if frame is not None:
            frame.append(f"{name} {shapes}")

    def clear(self) -> None:
        """Forget what was found so far."""
        for counter in (self.problems, self.waits, self.frame_waits, self.frames):
            counter.clear()
        self.operations = 0


FOUND = Findings()
