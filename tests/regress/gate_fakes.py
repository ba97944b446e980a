"""An engine without a network: codes and audio follow from the text, and each text can be given a fault."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES, NUM_CODEBOOKS, SAMPLE_RATE, CodeArray
from ttsctl.core.config import Config
from ttsctl.core.engine import End, EngineInfo, Offline, Packet, Request
from ttsctl.core.provenance import Provenance
from ttsctl.regress.session import SuiteResult

CODEBOOK = 2048
TTFA_MS = 120.0

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

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(CODEBOOK, NUM_CODEBOOKS, SAMPLE_RATE, FRAME_SAMPLES, "fake", (), (), {}, self.provenance)

    def fault(self, request: Request) -> str:
        return self.faults.get(request.text_id or "", "")

    def _codes(self, request: Request, streamed: bool) -> CodeArray:
        fault, codes = self.fault(request), codes_of(request.text + request.voice.id, self.frames)
        run = sum(call == ("stream", request.text_id) for call in self.calls)
        if fault == "empty":
            return codes[:0]
        if fault == "other codes" or (fault == "drift" and streamed and run == 3):
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
            yield self._packet(index, codes[start : start + step], audio)
        if fault != "no end":
            yield End(len(codes) + (fault == "miscounted"), fault == "truncated", None)

    def _packet(self, index: int, codes: CodeArray, pcm: PcmArray) -> Packet:
        at_ms = self.ttfa_ms + 50.0 * index
        return Packet(index, codes, pcm, 40.0, 0.0, 10.0, at_ms - 10.0, at_ms)

    def offline(self, request: Request) -> Offline:
        self.calls.append(("offline", request.text_id or ""))
        codes = self._codes(request, streamed=False)
        return Offline(codes, self._pcm(request, codes, streamed=False), False, None, 100.0, 50.0)

    def decode_offline(self, codes: CodeArray) -> PcmArray:
        return pcm_of(codes)


Run = Callable[..., SuiteResult]  # the fixture ``run`` of conftest.py
TEXTS = ("long_01", "short_01")


def write_suite(folder: Path, body: str = "", gates: str = "", texts: tuple[str, ...] = TEXTS) -> Path:
    """A suite of these text ids by one voice; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = ", ".join(f'{{"id": "{text}", "text": "This is {text}."}}' for text in texts)
    (folder / "texts.json").write_text(f'{{"schema_version": "1.0", "texts": [{entries}]}}', encoding="utf-8")
    voices = '{"schema_version": "1.0", "voices": [{"id": "ryan", "speaker": "ryan", "language": "English"}]}'
    (folder / "voices.json").write_text(voices, encoding="utf-8")
    path = folder / "suite.toml"
    head = 'texts = "texts.json"\nvoices = "voices.json"\nwarmup = 0\n'
    path.write_text(f"{head}{body}\n[gates]\n{gates}\n", encoding="utf-8")
    return path


def elsewhere(provenance: Provenance = PROVENANCE) -> Provenance:
    """The same software on another machine."""
    return replace(provenance, machine_id="1" * 64)


def no_threads_left(name: str = "ttsctl-case", seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(thread.name == name for thread in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False
