"""What recording taps of code generation and of decoding have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ttsctl.core.forensic import Site
from ttsctl.core.trace import TraceLevel
from ttsctl.engine.recording.fingerprint_log import Ledger, Recent
from ttsctl.engine.recording.hooks import Hook, Watched, hooked
from ttsctl.engine.recording.interventions import Editor


class Watching:
    """What recording taps of either stage share: hooks while a stream is watched, active in the thread at work.

    ``_thread`` is that thread between two marks of the driver, None while the stream stands still.
    """

    def __init__(self, level: TraceLevel, device: torch.device, editor: Editor) -> None:
        self._level = level
        self._editor = editor
        self._ledger = Ledger(device) if level in ("stages", "modules") else None
        self._recent = Recent()
        self._thread: int | None = None
        self._hooks: list[tuple[Watched, Hook]] = []

    @property
    def unmet(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not come by."""
        return self._editor.unmet

    @contextmanager
    def watching(self) -> Iterator[None]:
        with hooked(self._hooks):
            try:
                yield
            finally:
                self._thread = None

    def rest(self) -> None:
        self._thread = None
        self._recent.clear()
        if self._ledger is not None:
            self._ledger.flush()
