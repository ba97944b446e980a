"""Whether the machine is busy, and how many of its cores this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ttsctl.core.machine import schedulable_cores
from ttsctl.doctor.check import Check, ok, warning

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of cgroup v2, as a container sees its own group
# A machine at rest has some load of its own.
BUSY_SHARE = 0.5


def check_load() -> Check:
    """Cores that this process may use, and the load of the last minute."""
    cores = usable_cores()
    if not hasattr(os, "getloadavg"):
        return ok("load", f"{cores} cores; this system does not tell its load")
    return judge_load(cores, os.cpu_count() or cores, os.getloadavg()[0])


def judge_load(cores: int, all_cores: int, load: float) -> Check:
    """``load``: runnable tasks over the last minute, of the whole machine."""
    found = f"{cores} of {all_cores} cores for this process, load {load:.1f}"
    if load > BUSY_SHARE * all_cores:
        return warning("load", found, "wait until other work has ended before you time anything")
    return ok("load", found)


def usable_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """The smaller of the scheduler's mask and a container's CPU quota, as far as the system has them; at least 1."""
    cores = schedulable_cores()
    quota = read_quota(quota_file)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def read_quota(quota_file: Path) -> float | None:
    """Cores out of a line like ``150000 100000`` (microseconds a period); None for ``max``, or without a quota."""
    try:
        share, period = quota_file.read_text(encoding="utf-8").split()
        return int(share) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
