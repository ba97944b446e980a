"""The taps that ``record.trace`` asks for."""

from __future__ import annotations

from ttsctl.contract.trace import TraceLevel
from ttsctl.engine.taps import CodegenTaps, DecodeTaps
from ttsctl.model.codec import CodecDecoder
from ttsctl.model.talker import Talker


def codegen_taps_for(level: TraceLevel, talker: Talker) -> CodegenTaps:
    """Taps of code generation; the plain ones for "none", without loading the recorder."""
    if level == "none":
        return CodegenTaps()
    from ttsctl.engine.recorder import codegen_taps

    return codegen_taps(level, talker)


def decode_taps_for(level: TraceLevel, decoder: CodecDecoder) -> DecodeTaps:
    """Taps of decoding; the plain ones for "none", without loading the recorder."""
    if level == "none":
        return DecodeTaps()
    from ttsctl.engine.recorder import decode_taps

    return decode_taps(level, decoder)
