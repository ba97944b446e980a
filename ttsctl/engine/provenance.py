"""The provenance of an engine: the process's, plus GPU, threads and checkpoint."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import torch

from ttsctl.core.machine import collect_provenance, machine_id
from ttsctl.core.provenance import Provenance
from ttsctl.engine.model.checkpoint import Checkpoint, checkpoint_sha256


def engine_provenance(checkpoint: Checkpoint) -> Provenance:
    """The provenance of this process, with GPU, threads and checkpoint."""
    base = with_threads(collect_provenance())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return replace(
        base,
        machine_id=machine_id(base.cpu, base.cpu_count, gpu),
        gpu=gpu,
        gpu_driver=driver_version() if gpu else None,
        cuda=torch.version.cuda if gpu else None,
        checkpoint=checkpoint.name,
        checkpoint_sha256=checkpoint_sha256(checkpoint.folder),
    )


def with_threads(base: Provenance) -> Provenance:
    """``base`` with the thread counts that torch has now."""
    return replace(base, threads=torch.get_num_threads(), interop_threads=torch.get_num_interop_threads())


def driver_version() -> str | None:
    """Of the NVIDIA driver, as nvidia-smi says; None without one."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return None
