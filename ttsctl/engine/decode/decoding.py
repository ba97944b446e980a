"""Decode modes: which session a configuration asks for."""

from __future__ import annotations

from ttsctl.core.config import Config
from ttsctl.engine.decode.sessions import OneshotSession, SessionStats, WindowedSession
from ttsctl.engine.decode.sessions import Session as DecodeSession
from ttsctl.engine.decode.sessions_stateful import STEP_FRAMES, CachedSession, IncrementalSession
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.probes import DecodeTaps

__all__ = [
    "STEP_FRAMES",
    "CachedSession",
    "DecodeSession",
    "IncrementalSession",
    "OneshotSession",
    "SessionStats",
    "WindowedSession",
    "new_session",
]


def new_session(decoder: CodecDecoder, config: Config, taps: DecodeTaps | None = None) -> DecodeSession:
    """A fresh session of the configured mode, looked into by ``taps``.

    ``decoder.padding`` is the decoder's own, by ``set_legacy``.
    """
    mode, stages = config.decoder.mode, config.decoder.stages
    if mode == "oneshot":
        return OneshotSession(decoder, stages, taps)
    if mode == "windowed":
        return WindowedSession(decoder, config.stream.left_context, stages, taps)
    if mode == "cached":
        return CachedSession(decoder, config.stream.left_context, stages, taps)
    return IncrementalSession(decoder, STEP_FRAMES, config.decoder.transformer, stages, taps)
