"""What tests of several folders fake: a machine, an engine without a network, and runs without an engine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES, NUM_CODEBOOKS, SAMPLE_RATE, CodeArray, clamp_notes
from ttsctl.core.config import Config
from ttsctl.core.engine import Capabilities, EngineInfo
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import End, Packet, Request
from ttsctl.core.run import Run
from ttsctl.core.timing import PacketTiming, RunTiming, decode_timing, whole_timing

PROVENANCE = Provenance(
    machine_id="0" * 64,
    cpu="fake",
    cpu_count=1,
    system="test",
    python="3",
    packages={},
    ttsctl="0",
    git_commit=None,
    git_dirty=None,
    threads=1,
    checkpoint="fake",
    checkpoint_sha256="c" * 64,
)


def info_of(
    provenance: Provenance = PROVENANCE, in_force: dict[str, object] | None = None, codebook_size: int = 2048
) -> EngineInfo:
    """A fake engine's info: 16 codebooks, 1920 samples a frame at 24 kHz."""
    sizes = (codebook_size, NUM_CODEBOOKS, SAMPLE_RATE, FRAME_SAMPLES)
    return EngineInfo(*sizes, "fake", (), (), in_force or {}, provenance)


def run_of(codes: CodeArray, truncated: bool = False, **times: float | None) -> Run:
    """A streamed run of these codes, without audio; ``times`` are fields of RunTiming."""
    return Run("stream", codes, None, truncated, None, RunTiming(**times))  # type: ignore[arg-type]


CODEBOOK = 2048
TTFA_MS = 120.0
# How long the fault "stall" stops the third stream of a text, before its third packet.
STALL_MS = 6000.0
# How many ids the fault "clamped" moves into range in every stream.
CLAMPED = 3


def codes_of(text: str, frames: int) -> CodeArray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).integers(0, CODEBOOK, (frames, NUM_CODEBOOKS))


def pcm_of(codes: CodeArray) -> PcmArray:
    """Noise at -26 dBFS, frame by frame from that frame's codes."""
    frames = [np.random.default_rng(np.abs(row)).standard_normal(FRAME_SAMPLES) for row in codes]
    return (0.05 * np.concatenate(frames)).astype(np.float32) if frames else np.empty(0, np.float32)


@dataclass
class FakeEngine:
    """``faults`` maps a text to the name of what goes wrong with it; ``None`` in it stands for every text.

    ``release`` ends a hang, so that no test leaves a busy thread behind.
    """

    config: Config = field(default_factory=Config)
    faults: dict[str, str] = field(default_factory=dict)
    provenance: Provenance = PROVENANCE
    ttfa_ms: float = TTFA_MS
    frames: int = 14
    release: threading.Event = field(default_factory=threading.Event)
    calls: list[tuple[str, str]] = field(default_factory=list)
    closed: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(codes=True, decoding=True, offline=True, traces=False, seeds=False)

    @property
    def info(self) -> EngineInfo:
        return info_of(self.provenance)

    def fault(self, request: Request) -> str:
        return self.faults.get(request.text_id or "", "")

    def _streams(self, request: Request) -> int:
        """How often the text was streamed, this time included."""
        return sum(call == ("stream", request.text_id) for call in self.calls)

    def _codes(self, request: Request, streamed: bool) -> CodeArray:
        fault, codes = self.fault(request), codes_of(request.text + request.voice.id, self.frames)
        if fault == "empty":
            return codes[:0]
        if fault == "other codes" or (fault == "drift" and streamed and self._streams(request) == 3):
            codes[9, 5] = (codes[9, 5] + 1) % CODEBOOK
        if fault == "offline codes" and not streamed:
            codes[0, 0] = (codes[0, 0] + 1) % CODEBOOK
        if fault == "out of range":
            codes[2, 3] = CODEBOOK
        return codes

    def _pcm(self, request: Request, codes: CodeArray, streamed: bool) -> PcmArray:
        fault, pcm = self.fault(request), pcm_of(codes)
        if fault == "nan" and len(pcm):
            pcm[7] = np.nan
        if fault == "silent":
            pcm *= 0
        if fault == "loud":
            pcm = np.clip(pcm * 12, -0.9, 0.9).astype(np.float32)
        if fault == "clip" and len(pcm):
            pcm[11] = 1.0
        if fault == "pops":
            pcm[::1920] = 0.95
            pcm[: len(pcm) // 2 : 2] *= 9 * np.sin(np.arange(len(pcm[: len(pcm) // 2 : 2])) / 900)
            pcm = np.clip(pcm, -0.9, 0.9)
        if fault == "repeat":
            pcm = np.concatenate([pcm[: SAMPLE_RATE // 2], pcm[: SAMPLE_RATE // 2], pcm[SAMPLE_RATE:]])
        if fault == "quiet stream" and streamed:
            pcm = pcm * np.float32(0.9)
        if fault == "short stream" and streamed:
            pcm = pcm[: -SAMPLE_RATE // 10]
        if fault == "no audio":
            pcm = pcm[:0]
        return pcm

    def stream(self, request: Request) -> Iterator[Packet | End]:
        self.calls.append(("stream", request.text_id or ""))
        fault = self.fault(request)
        if fault == "raise":
            raise RuntimeError("the\nfake engine broke")
        if fault == "exit":
            raise SystemExit(0)
        if fault == "interrupt":
            raise KeyboardInterrupt
        if fault == "hang":
            self.release.wait(60)
        codes = self._codes(request, streamed=True)
        pcm = self._pcm(request, codes, streamed=True)
        step = self.config.stream.packet_tokens
        for index, start in enumerate(range(0, len(codes), step)):
            while fault == "slow" and not self.release.wait(0.01):
                yield self._packet(index, codes[:0], pcm[:0])
            audio = pcm[start * FRAME_SAMPLES : (start + step) * FRAME_SAMPLES]
            late_ms = STALL_MS if fault == "stall" and self._streams(request) == 3 and index >= 2 else 0.0
            yield self._packet(index, codes[start : start + step], audio, late_ms)
        if fault != "no end":
            clamped = CLAMPED if fault == "clamped" else 0
            counted = len(codes) + (fault == "miscounted")
            yield End(counted, fault == "truncated", None, clamp_notes(clamped), clamped)

    def _packet(self, index: int, codes: CodeArray, pcm: PcmArray, late_ms: float = 0.0) -> Packet:
        at_ms = self.ttfa_ms + 50.0 * index + late_ms
        return Packet(index, codes, pcm, 40.0, 0.0, 10.0, at_ms - 10.0, at_ms)

    def generate(self, request: Request) -> Iterator[Packet | End]:
        """The codes of ``stream``, without their audio."""
        for event in self.stream(request):
            yield event if isinstance(event, End) else replace(event, pcm=event.pcm[:0], decode_ms=None, pcm_at_ms=None)

    def offline(self, request: Request) -> Run:
        self.calls.append(("offline", request.text_id or ""))
        codes = self._codes(request, streamed=False)
        pcm = self._pcm(request, codes, streamed=False)
        return Run("offline", codes, pcm, False, None, whole_timing(100.0, 50.0, len(pcm), SAMPLE_RATE))

    def decode(self, codes: CodeArray, config: Config, reference: CodeArray | None = None) -> Run:
        step, packets, at_ms = config.stream.packet_tokens, [], 0.0
        for index, start in enumerate(range(0, len(codes), step)):
            frames = len(codes[start : start + step])
            times = (0.0, 0.0, 10.0, at_ms, at_ms + 10.0)
            packets.append(PacketTiming(index, frames, frames * FRAME_SAMPLES, *times))
            at_ms += 10.0
        timing = decode_timing(packets, len(packets), SAMPLE_RATE)
        return Run("decode", None, pcm_of(codes), None, None, timing, tuple(packets))

    def decode_offline(self, codes: CodeArray, reference: CodeArray | None = None) -> PcmArray:
        return pcm_of(codes)

    def close(self) -> None:
        self.closed = True
