"""Reading the provenance of this process, from the standard library alone."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from ttsctl import __version__
from ttsctl.core.provenance import Provenance

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "soundfile",
    "pandas",
    "pydantic",
    "safetensors",
    "tokenizers",
    "huggingface-hub",
)


def collect_provenance() -> Provenance:
    """What this machine and this installation are, without torch; the engine adds GPU, threads and checkpoint."""
    cpu, count = _cpu_name(), os.cpu_count() or 1
    commit, dirty = _git_state(Path(__file__).resolve().parents[2])
    return Provenance(
        machine_id=machine_id(cpu, count, None),
        cpu=cpu,
        cpu_count=count,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages=_package_versions(),
        ttsctl=__version__,
        git_commit=commit,
        git_dirty=dirty,
    )


def schedulable_cores() -> int:
    """How many cores the scheduler lets this process use, or how many there are where the system does not tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def machine_id(cpu: str, cpu_count: int, gpu: str | None) -> str:
    """sha256 over host name, CPU, cores and GPU: equal ids mean that timings may be compared."""
    return hashlib.sha256("\n".join([platform.node(), cpu, str(cpu_count), gpu or "no gpu"]).encode()).hexdigest()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: the standard library's shorter name has to do
    return platform.processor() or platform.machine()


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = _version(importlib.metadata.distribution(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _version(package: importlib.metadata.Distribution) -> str:
    """From the header's own line: parsing the whole metadata, with its readme, takes several times as long."""
    head = (package.read_text("METADATA") or "").partition("\n\n")[0]
    line = next((line for line in head.splitlines() if line.startswith("Version:")), None)
    return line.partition(":")[2].strip() if line else package.version


def _git_state(root: Path) -> tuple[str | None, bool | None]:
    """Commit and dirtiness of the checkout ttsctl runs from; (None, None) for an installed copy."""
    if not (root / ".git").exists():
        return None, None
    # One call answers both: the header names the commit, any other line is a change.
    command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None, None
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), None)
    return commit, any(not line.startswith("#") for line in lines)
