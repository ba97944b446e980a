"""What a look at torch found: plain values that one process hands to another as lines of JSON.

torch is looked at in a process of its own, because a broken installation may crash it: what was found before a crash
still counts. Each line is one section: ``{"section": name, "found": {...}}`` or ``{"section": name, "reason": "..."}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Section = Literal["torch", "convolutions", "in_force", "checkpoint", "threads"]


@dataclass(frozen=True)
class TorchFound:
    """The installed torch. ``cuda`` is the version it was built for, None for a CPU build; ``gpus`` are usable now."""

    torch: str
    cuda: str | None
    gpus: tuple[str, ...]
    driver: str | None
    cudnn: str | None
    mkldnn: bool


@dataclass(frozen=True)
class ConvolutionFound:
    """Which library and which kernels computed one convolution. ``library`` None: not told, with ``reason``."""

    operation: str
    device: str
    library: str | None
    kernels: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True)
class CheckpointFound:
    """A checkpoint that was read whole. ``read_s``: seconds to load both networks."""

    name: str
    sha256: str
    model_type: str
    parameters: int
    read_s: float


@dataclass(frozen=True)
class ThreadsFound:
    """Code generation at several thread counts: the fastest of ``rounds`` interleaved rounds of ``frames`` frames.

    ``frame_ms`` by thread count, as text because JSON has no other keys. ``chosen``: the count that the settings use.
    """

    frames: int
    rounds: int
    frame_ms: dict[str, float]
    chosen: int
