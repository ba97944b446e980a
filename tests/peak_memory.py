"""The peak of memory of a program that a test starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# ``ru_maxrss`` of a new program begins with what the process that started it had, so it is of no use here.
STATUS = Path("/proc/self/status")
_REPORT = f"""
print(next(line for line in open({str(STATUS)!r}) if line.startswith("VmHWM")).split()[1])
"""
needs_proc = pytest.mark.skipif(not STATUS.exists(), reason="no /proc to read the peak of memory from")


def peak_mib(program: str, *arguments: object) -> float:
    """Run Python code with arguments -> the most memory that it had, in MiB. Whatever it prints is lost."""
    command = [sys.executable, "-c", program + _REPORT, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return int(ended.stdout.split()[-1]) / 1024
