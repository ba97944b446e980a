"""What the recorders of code generation and of decoding have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ttsctl.core.forensic import Site
from ttsctl.core.trace import TraceLevel
from ttsctl.engine.recording.fingerprint_log import FingerprintLog, RecentTensors
from ttsctl.engine.recording.hooks import Hook, ProbedModule, hooked
from ttsctl.engine.recording.interventions import Interventions


class RecorderBase:
    """Hooks on modules for as long as it is attached, which act only in the thread that works for its request.

    ``_thread`` is that thread's id between two marks of the driver, None while the request pauses.
    """

    def __init__(self, level: TraceLevel, device: torch.device, interventions: Interventions) -> None:
        self._level = level
        self._interventions = interventions
        self._fingerprint_log = FingerprintLog(device) if level in ("stages", "modules") else None
        self._recent = RecentTensors()
        self._thread: int | None = None
        self._hooks: list[tuple[ProbedModule, Hook]] = []

    @property
    def unreached(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not reach."""
        return self._interventions.unreached

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooks the modules for the length of the block."""
        with hooked(self._hooks):
            try:
                yield
            finally:
                self._thread = None

    def pause(self) -> None:
        """Nothing is recorded until the driver says where it is."""
        self._thread = None
        self._recent.clear()
        if self._fingerprint_log is not None:
            self._fingerprint_log.flush()
