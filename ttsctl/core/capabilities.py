"""Asking an engine for what it can do: the right protocol, or one clear line that says what it cannot."""

from __future__ import annotations

from ttsctl.core.engine import DecodesCodes, EncodesAudio, Engine, GeneratesCodes, SpeaksOffline
from ttsctl.core.errors import InputError
from ttsctl.core.forensic import Forensic


def code_generator_of(engine: Engine) -> GeneratesCodes:
    """The engine, as one that generates codes alone. InputError if it cannot."""
    if engine.capabilities.codes and isinstance(engine, GeneratesCodes):
        return engine
    raise _cannot(engine, "generate codes without decoding them")


def offline_speaker_of(engine: Engine) -> SpeaksOffline:
    """The engine, as one that speaks in one piece. InputError if it cannot."""
    if engine.capabilities.offline and isinstance(engine, SpeaksOffline):
        return engine
    raise _cannot(engine, "speak a request in one piece")


def decoder_of(engine: Engine) -> DecodesCodes:
    """The engine, as one that decodes given codes. InputError if it cannot."""
    if engine.capabilities.decoding and isinstance(engine, DecodesCodes):
        return engine
    raise _cannot(engine, "decode given codes")


def encoder_of(engine: Engine) -> EncodesAudio:
    """The engine, as one that encodes audio. InputError if it cannot."""
    if engine.capabilities.encoding and isinstance(engine, EncodesAudio):
        return engine
    raise _cannot(engine, "encode audio")


def forensic_of(engine: Engine) -> Forensic:
    """The engine, as one that can be looked into. InputError if it cannot."""
    if engine.capabilities.traces and isinstance(engine, Forensic):
        return engine
    raise _cannot(engine, "show traces or take grafts")


def _cannot(engine: Engine, what: str) -> InputError:
    kind = engine.config.engine.kind
    return InputError(f"engine.kind = {kind!r}: this engine cannot {what}", "use engine.kind = 'local'")
