"""Under free sampling the stream's own codes are decoded offline: in a cloned voice after its reference."""

from __future__ import annotations

import numpy as np

from tests.engine_help import ORACLE, make_engine
from ttsctl.core.request import Request, Voice
from ttsctl.runs.speak import speak

REF = str(ORACLE / "base_clone" / "expected" / "ref_en.wav")
# Rounding between a stream and one call, as for the reference cases.
PEAK_TOLERANCE = 5e-4


def test_the_offline_audio_is_primed_as_the_stream_is() -> None:
    request = Request("Hello.", Voice("v", ref_audio=REF, ref_text="This is the voice that should be kept."))
    for reference, primed in (("always", True), ("none", False)):
        sets = ("sampling.policy=free", "sampling.max_new_tokens=8", f"decoder.reference={reference}")
        spoken = speak(make_engine("base_clone", *sets), request, lambda: None)
        stream = spoken.stream.require_pcm()
        close = np.abs(stream - spoken.offline_pcm).max() <= PEAK_TOLERANCE * np.abs(stream).max()
        assert bool(close) is primed
