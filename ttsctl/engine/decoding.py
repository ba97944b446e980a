"""Decode modes: what each keeps between packets, and what it runs again.

A session is one stream's decoding: codes pushed packet by packet, PCM back. ``oneshot`` gives all of it at the end.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ttsctl.contract.config import Config
from ttsctl.contract.errors import InputError
from ttsctl.model.codec import CodecDecoder

# Frames a fixed-shape step covers. Kernels give other last bits for other shapes, so every step has this shape.
STEP_FRAMES = 4


class DecodeSession(Protocol):
    """codes (n, Q) int64 on the decoder's device -> pcm (samples,), and how often the decoder was called."""

    calls: int

    def push(self, codes: Tensor) -> Tensor: ...

    def flush(self) -> Tensor:
        """What the mode still holds back, once the last codes are in."""
        ...


class OneshotSession:
    """All frames at once, when the last is in: the true offline."""

    def __init__(self, decoder: CodecDecoder) -> None:
        self.decoder = decoder
        self.calls = 0
        self._codes: list[Tensor] = []

    def push(self, codes: Tensor) -> Tensor:
        self._codes.append(codes)
        return self.decoder.silence(0)

    def flush(self) -> Tensor:
        if not self._codes:
            return self.decoder.silence(0)
        self.calls += 1
        return self.decoder(torch.cat(self._codes))


class IncrementalSession:
    """All state kept, nothing recomputed at step boundaries, and one shape of step whatever the packet.

    Steps lie on a grid of ``step_frames``. A step that is not full yet is run with zeros in the missing places and
    leaves the state alone, so its frames come out with the bits that the full step gives them: the PCM depends on
    the codes before a sample, never on how they were split.
    """

    def __init__(self, decoder: CodecDecoder, step_frames: int = STEP_FRAMES) -> None:
        self.decoder = decoder
        self.step_frames = step_frames
        self.calls = 0
        self._state = decoder.new_state()
        self._open: Tensor | None = None

    def push(self, codes: Tensor) -> Tensor:
        pieces = []
        while len(codes):
            held = 0 if self._open is None else len(self._open)
            take = min(self.step_frames - held, len(codes))
            block = codes[:take] if self._open is None else torch.cat([self._open, codes[:take]])
            pieces.append(self._step(block, held))
            codes = codes[take:]
        return torch.cat(pieces) if pieces else self.decoder.silence(0)

    def flush(self) -> Tensor:
        return self.decoder.silence(0)

    def _step(self, block: Tensor, emitted: int) -> Tensor:
        """Run one grid step whose first ``emitted`` frames are out already -> the PCM of the others."""
        missing = self.step_frames - len(block)
        self._state.commit = missing == 0
        self._open = None if missing == 0 else block
        lost = self.decoder.lost_samples if self._state.position == 0 else 0
        shaped = torch.cat([block, block.new_zeros((missing, block.shape[1]))]) if missing else block
        self.calls += 1
        pcm = self.decoder(shaped, self._state)
        per_frame = self.decoder.sizes.samples_per_frame
        return pcm[max(0, emitted * per_frame - lost) : len(block) * per_frame - lost]


def new_session(decoder: CodecDecoder, config: Config) -> DecodeSession:
    """A fresh session of the configured mode."""
    if config.decoder.mode == "oneshot":
        return OneshotSession(decoder)
    if config.decoder.mode == "incremental":
        return IncrementalSession(decoder)
    raise InputError(f"decoder.mode = {config.decoder.mode!r}: not available yet", "use oneshot or incremental")
