"""The engines of an explanation: loaded when they are needed, one for each configuration, closed at the end."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType

from ttsctl.core.capabilities import forensic_of
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.forensic import Forensic
from ttsctl.core.request import Request
from ttsctl.explain.investigate import Methods, ReplaySetup
from ttsctl.runs.engines import load_engine


class Engines:
    """Forensic engines by configuration; equal configurations share one. Leaving the ``with`` block closes them.

    An engine restores the process-wide switches after each call, so several of them can live side by side.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Engine] = {}

    def open(self, config: Config) -> Forensic:
        """The engine of a configuration. InputError if it is of a kind that cannot show traces or take grafts."""
        # What to record is a parameter of each call, so ``record`` must not tell two configurations apart.
        config = replace(config, record=Config().record)
        if config.sha256 not in self._loaded:
            self._loaded[config.sha256] = load_engine(config)
        return forensic_of(self._loaded[config.sha256])

    def replay_setup(self, request: Request, a: Config, b: Config, methods: Methods) -> ReplaySetup:
        """What it takes to run A and B again with these engines."""
        return ReplaySetup(request, lambda: self.open(a), lambda: self.open(b), methods)

    def close(self) -> None:
        """Close every engine. Harmless twice."""
        while self._loaded:
            self._loaded.popitem()[1].close()

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
