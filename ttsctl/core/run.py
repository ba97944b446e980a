"""One run: a request spoken once, as one value from the engine to the report."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray
from ttsctl.core.errors import EngineError
from ttsctl.core.stalls import Stall
from ttsctl.core.timing import ChunkTiming, PacketTiming, RunTiming
from ttsctl.core.trace import Trace
from ttsctl.core.voice_prompt import PromptUse

# stream: codes and audio, packet by packet. offline: all codes, then one decode. codegen: codes alone, nothing is
# decoded. decode: given codes, packet by packet. decode_offline: given codes in one call.
RunKind = Literal["stream", "offline", "codegen", "decode", "decode_offline"]
SPEAKS: tuple[RunKind, ...] = ("stream", "offline", "codegen")
DECODES: tuple[RunKind, ...] = ("decode", "decode_offline")


@dataclass(frozen=True, eq=False)
class Run:
    """What one request gave, once.

    codes (T, Q) int64 are None where the run made none, as when it decodes given ones. pcm (N,) float32 at the engine's
    rate is None where nothing was decoded, or where only its hash was kept. ``truncated``: the cap came before the end
    token; None where no codes were made. ``packets``: the times of every packet, empty for a run in one piece.
    ``chunks``: those of the audio as it left a stream. ``packet_stalls``: the packets before which it stalled, None
    where there are too few to tell. ``prompt``: that of a cloned voice.
    ``trace`` as ``record.trace`` asked. ``clamped``: ids that ``determinism.clamp_codes`` moved into range.
    """

    kind: RunKind
    codes: CodeArray | None
    pcm: PcmArray | None
    truncated: bool | None
    seed: int | None
    timing: RunTiming
    packets: tuple[PacketTiming, ...] = ()
    trace: Trace | None = None
    notes: tuple[str, ...] = ()
    clamped: int = 0
    chunks: tuple[ChunkTiming, ...] = ()
    packet_stalls: tuple[Stall, ...] | None = None
    prompt: PromptUse | None = None

    def require_codes(self) -> CodeArray:
        """The codes (T, Q) int64. EngineError if this run made none."""
        if self.codes is None:
            raise EngineError(
                f"a run of kind {self.kind}: expected codes, got none", "take them from a run that speaks"
            )
        return self.codes

    def require_pcm(self) -> PcmArray:
        """The audio (N,) float32. EngineError if this run has none."""
        if self.pcm is None:
            raise EngineError(f"a run of kind {self.kind}: expected audio, got none", "take it from a run that decodes")
        return self.pcm

    @property
    def times(self) -> dict[str, float | None]:
        """The fields of RunTiming by name: all of them for a streamed run, else those that the kind has."""
        return {name: t for name, t in asdict(self.timing).items() if t is not None or self.kind == "stream"}
