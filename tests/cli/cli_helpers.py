"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import ttsctl

REPO = Path(ttsctl.__file__).parents[1]
BUILTIN = Path(ttsctl.__file__).parent / "engine" / "model" / "builtin"
SPEAKS = ("synth", "dump-codes", "regress", "decode-ablate")
RUN = [sys.executable, "-m", "ttsctl"]


@dataclass(frozen=True)
class Done:
    """A command that ended: its status, what it printed, and the root of its run folders."""

    status: object
    stdout: str
    stderr: str
    out: Path

    def refused(self, *says: str, status: int = 2) -> None:
        """One line on stderr that says all of this, the status, nothing on stdout, and nothing left behind."""
        assert self.status == status, self.stderr
        assert self.stderr.startswith("ttsctl: ") and self.stderr.count("\n") == 1, self.stderr
        assert "; " in self.stderr, f"what to do is missing: {self.stderr}"
        assert "internal error" not in self.stderr and "Traceback" not in self.stderr
        for part in says:
            assert part in self.stderr
        assert self.stdout == ""
        assert not self.out.exists(), sorted(self.out.rglob("*"))


def start(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    line = [*RUN, *map(str, arguments)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)
