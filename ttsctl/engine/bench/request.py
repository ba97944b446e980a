"""The request that the benches speak."""

from __future__ import annotations

from ttsctl.core.request import Request, Voice
from ttsctl.engine.model.sizes import TalkerSizes

TEXT = "Please call a taxi for half past seven tomorrow morning, and ask the driver to wait at the gate."


def bench_request(sizes: TalkerSizes) -> Request:
    """A text by the first speaker, or by a described voice if the checkpoint has no speakers."""
    speaker = min(sizes.speakers, default=None)
    return Request(TEXT, Voice("bench", speaker, instruct=None if speaker else "A calm voice."))
