"""Decode sessions: one stream's decoding each, and what they share; those that keep nothing but codes.

A session takes codes packet by packet and gives PCM back; it counts its decoder calls, its time and its samples.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.streaming import StreamState
from ttsctl.engine.recording.probes import DecodeTaps

Stages = Literal["full", "pre_transformer", "conv_only", "noop"]


@dataclass(frozen=True)
class SessionStats:
    """What a session did so far. ``samples_expected`` is ``samples_per_frame`` for every frame; times are wall ms.

    ``ms_a_call`` is None before the first decoder call.
    """

    frames: int
    samples: int
    samples_expected: int
    calls: int
    decode_ms: float
    ms_a_call: float | None


class StagedDecoder:
    """The decoder with some of its stages left out, so that a difference can be attributed to one of them.

    ``pre_transformer`` stops after the transformer and gives no audio; ``conv_only`` hands the convolutions what the
    transformer would have got; ``noop`` runs the transformer and gives silence of the right length.
    """

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", taps: DecodeTaps | None = None) -> None:
        self.decoder = decoder
        self.stages = stages
        self.taps = DecodeTaps() if taps is None else taps
        self.samples_per_frame = decoder.sizes.samples_per_frame
        # Called before the convolutions are queued: streaming makes them wait for another CUDA stream here.
        self.before_audio: Callable[[], None] | None = None

    def new_state(self) -> StreamState:
        return self.decoder.new_state()

    def silence(self, samples: int = 0) -> Tensor:
        return self.decoder.silence(samples)

    def transform(self, embedded: Tensor, state: StreamState | None = None) -> Tensor:
        """Latents before the transformer (n, latent_dim) -> those after it, or the same if it is skipped."""
        return embedded if self.stages == "conv_only" else self.decoder.pre_transformer(embedded, state)

    def latents(self, codes: Tensor, state: StreamState | None = None) -> Tensor:
        """codes (n, Q) -> what the convolutions take, (n, latent_dim)."""
        return self.transform(self.decoder.embed(codes, state), state)

    def audio(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """latents (n, latent_dim) -> pcm: n frames, less ``lost_samples`` at the start of a sequence or stream."""
        if self.before_audio is not None:
            self.before_audio()
        if self.stages in ("full", "conv_only"):
            return self.taps.value("codec.pcm", self.decoder.waveform(latents, state))
        if self.stages == "pre_transformer":
            return self.silence()
        first = state is None or state.position == 0
        return self.silence(len(latents) * self.samples_per_frame - (self.decoder.lost_samples if first else 0))


class Session(ABC):
    """One stream: codes (n, Q) int64 on the decoder's device -> pcm (samples,) in the decoder's dtype."""

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", taps: DecodeTaps | None = None) -> None:
        self.decoder = decoder
        self.staged = StagedDecoder(decoder, stages, taps)
        self.taps = self.staged.taps
        self.calls = 0
        self._frames = 0
        self._samples = 0
        self._seconds = 0.0

    def push(self, codes: Tensor) -> Tensor:
        """The next frames -> the PCM that they complete."""
        self._frames += len(codes)
        return self._timed(lambda: self._push(codes))

    def flush(self) -> Tensor:
        """What the mode still holds back, once the last codes are in."""
        return self._timed(self._flush)

    @property
    def stats(self) -> SessionStats:
        """Frames, samples, calls and time so far."""
        decode_ms = self._seconds * 1e3
        return SessionStats(
            frames=self._frames,
            samples=self._samples,
            samples_expected=self._frames * self.staged.samples_per_frame,
            calls=self.calls,
            decode_ms=decode_ms,
            ms_a_call=decode_ms / self.calls if self.calls else None,
        )

    @abstractmethod
    def _push(self, codes: Tensor) -> Tensor: ...

    def _flush(self) -> Tensor:
        return self.staged.silence()

    def _timed(self, work: Callable[[], Tensor]) -> Tensor:
        started = time.perf_counter()
        with self.taps.watching():
            pcm = work()
            self.taps.rest()
        if pcm.is_cuda:
            # Without this the time would be that of queueing the work. The caller copies the PCM next and waits anyway.
            torch.cuda.current_stream(pcm.device).synchronize()
        self._seconds += time.perf_counter() - started
        self._samples += len(pcm)
        return pcm


class OneshotSession(Session):
    """All frames at once, when the last is in: the true offline."""

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", taps: DecodeTaps | None = None) -> None:
        super().__init__(decoder, stages, taps)
        self._codes: list[Tensor] = []

    def _push(self, codes: Tensor) -> Tensor:
        self._codes.append(codes)
        return self.staged.silence()

    def _flush(self) -> Tensor:
        codes, self._codes = self._codes, []
        if not sum(map(len, codes)):
            return self.staged.silence()
        self.calls += 1
        self.taps.step(0, 0, self._frames, self._frames)
        return self.staged.audio(self.staged.latents(torch.cat(codes)))


class WindowedSession(Session):
    """Each packet decoded anew with up to ``left_context`` frames before it, whose audio is cut off.

    A packet whose start is not past the context takes all frames before it. The cut is counted from the start
    of what came out, so under legacy padding every packet is short of ``lost_samples`` at its end.
    """

    def __init__(
        self, decoder: CodecDecoder, left_context: int, stages: Stages = "full", taps: DecodeTaps | None = None
    ) -> None:
        super().__init__(decoder, stages, taps)
        self.left_context = left_context
        self._context: Tensor | None = None

    def _push(self, codes: Tensor) -> Tensor:
        if not len(codes):
            return self.staged.silence()
        joined, held = join(self._context, codes)
        self._context = last(joined, self.left_context)
        self.calls += 1
        new = self._frames - len(codes)
        self.taps.step(new, new, self._frames, self._frames)
        pcm = self.staged.audio(self.staged.latents(joined))
        return pcm[held * self.staged.samples_per_frame :]


def join(past: Tensor | None, new: Tensor) -> tuple[Tensor, int]:
    """Rows kept from before, if any, and the new ones -> both together, and how many were kept."""
    return (new, 0) if past is None else (torch.cat([past, new]), len(past))


def last(rows: Tensor, count: int) -> Tensor:
    """The last ``count`` rows, or all if there are fewer; a slice from -0 would be all of them."""
    return rows[max(0, len(rows) - count) :]
