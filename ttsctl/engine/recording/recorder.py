"""Recording a run: the one place that makes the probes of both stages.

Levels: ``codes`` keeps the draws; ``stages`` also the fingerprint of every stage's value; ``modules`` also those of
what every leaf module took and gave, an input only if it is not the very tensor recorded before. Values of the codec
are recorded frame by frame, each frame once, so that the fingerprints do not depend on the packet size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

from ttsctl.core.forensic import Site, Values
from ttsctl.core.trace import TraceLevel
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.codegen_recorder import CodegenRecorder
from ttsctl.engine.recording.decode_recorder import DecodeRecorder
from ttsctl.engine.recording.interventions import Alterations, Capture, Interventions
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes

# The codec's modules and stages; all other points belong to code generation.
CODEC_PREFIXES = ("codec.", "decoder.")
V = TypeVar("V")


@dataclass(frozen=True)
class Recorder:
    """What to record of a run and what to change in it, wherever in the two stages it is.

    ``alterations`` change values at their sites, ``grafts`` then replace them, and ``capture`` is filled with the
    outputs of one point.
    """

    level: TraceLevel
    alterations: Alterations = field(default_factory=dict)
    grafts: Values = field(default_factory=dict)
    capture: Capture | None = None

    def codegen(self, talker: Talker, forced: Tensor | None = None, jitter_seed: int | None = None) -> CodegenProbes:
        """The probes of one request's code generation; they do nothing if nothing is asked of them.

        ``forced``: codes (T, groups) int64 to take in place of those drawn, then the end token. ``jitter_seed`` moves
        the last bit of every module's output.
        """
        interventions = self._interventions(in_codec=False)
        if self.level == "none" and not interventions.points and forced is None and jitter_seed is None:
            return CodegenProbes()
        return CodegenRecorder(self.level, talker, interventions, forced, jitter_seed)

    def decode(self, decoder: CodecDecoder) -> DecodeProbes:
        """The probes of one request's decoding; at the level "codes" there is nothing to record."""
        interventions = self._interventions(in_codec=True)
        if self.level in ("none", "codes") and not interventions.points:
            return DecodeProbes()
        return DecodeRecorder(self.level, decoder, interventions)

    def _interventions(self, in_codec: bool) -> Interventions:
        """Those of one of the two stages."""
        capture = self.capture if self.capture and _is_in_codec(self.capture.point) == in_codec else None
        return Interventions(_of_stage(self.alterations, in_codec), _of_stage(self.grafts, in_codec), capture)


def _is_in_codec(point: str) -> bool:
    return point.startswith(CODEC_PREFIXES)


def _of_stage(by_site: Mapping[Site, V], in_codec: bool) -> dict[Site, V]:
    return {site: given for site, given in by_site.items() if _is_in_codec(site.point) == in_codec}
