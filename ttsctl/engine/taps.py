"""What looks into a run. These look at nothing: a run that is not recorded pays for a call, and no more."""

from __future__ import annotations

from ttsctl.contract.trace import Draws, Prints, no_draws, no_prints


class CodegenTaps:
    """Looks into code generation: one object a request, used by the thread that generates."""

    def finish(self) -> tuple[Draws, Prints]:
        """What was seen, once the last frame is drawn."""
        return no_draws(), no_prints()


class DecodeTaps:
    """Looks into decoding: one object a request, used by the thread that decodes."""

    def finish(self) -> Prints:
        """What was seen, once the last packet is decoded."""
        return no_prints()
