"""A forensic engine that speaks every request in one side's own voice: of two cloned voices each has its own file."""

from __future__ import annotations

from dataclasses import replace

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.forensic import Forensic, Site, Value, Values
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.trace import Draws, TraceLevel


class InVoice:
    """``Forensic``, with ``voice`` in the place of each request's own."""

    def __init__(self, engine: Forensic, voice: Voice) -> None:
        self._engine = engine
        self._voice = voice

    @property
    def config(self) -> Config:
        return self._engine.config

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        return self._engine.record(self._spoken(request), level, grafts)

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        return self._engine.capture(self._spoken(request), point, first_frame)

    def force(self, request: Request, codes: CodeArray, jitter_seed: int | None = None) -> Draws:
        return self._engine.force(self._spoken(request), codes, jitter_seed)

    def _spoken(self, request: Request) -> Request:
        return replace(request, voice=self._voice)
