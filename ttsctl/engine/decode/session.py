"""What a decode session is: it decodes one stream, takes codes packet by packet and gives PCM back.

It counts its decoder calls, its time and its samples. The decode modes are in ``sessions``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsctl.core.config import Config
from ttsctl.engine.cuda.work_time import WorkTime
from ttsctl.engine.decode.staged import StagedDecoder, Stages
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.probes import DecodeProbes


@dataclass(frozen=True)
class SessionStats:
    """What a session did so far. ``samples_expected`` is ``samples_per_frame`` for every frame.

    Times are ms: of the clock on the CPU, of the decoder's stream on CUDA. ``ms_a_call`` is None before the first
    decoder call.
    """

    frames: int
    samples: int
    samples_expected: int
    calls: int
    decode_ms: float
    ms_a_call: float | None


class Session(ABC):
    """One stream: codes (n, Q) int64 on the decoder's device -> pcm (samples,) in the decoder's dtype.

    A decode mode is a subclass that says how it is configured and what it does with a packet.
    """

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", probes: DecodeProbes | None = None) -> None:
        self.decoder = decoder
        self.staged = StagedDecoder(decoder, stages, probes)
        self.probes = self.staged.probes
        self.calls = 0
        self._primed = 0
        self._frames = 0
        self._samples = 0
        self._time = WorkTime(self.staged.silence().device)

    @classmethod
    @abstractmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> Session:
        """A fresh session with the settings of ``config.decoder`` and ``config.stream`` that the mode has."""

    def prime(self, codes: Tensor) -> None:
        """Decode the frames (R, Q) of a reference before the stream's first packet, and drop their audio.

        What a session counts begins after them. Call it once, on a fresh session.
        """
        if len(codes):
            self._prime(codes)
        self._primed += len(codes)
        self.calls = 0

    def skip(self, codes: Tensor) -> None:
        """The first frames (n, Q) of the stream, as ``push``, but nobody wants their audio. For a fresh session."""
        self._prime(codes)
        self._frames += len(codes)
        self.calls = 0

    def fork(self, probes: DecodeProbes | None = None) -> Session:
        """A session of its own that goes on from here, recorded by ``probes``."""
        other = copy.copy(self)
        other.staged = StagedDecoder(self.decoder, self.staged.stages, probes)
        other.probes = other.staged.probes
        other._time = self._time.copy()
        other._fork_state()
        return other

    def push(self, codes: Tensor) -> Tensor:
        """The next frames (n, Q) -> the PCM that they complete."""
        self._frames += len(codes)
        return self._timed(lambda: self._push(codes))

    def flush(self) -> Tensor:
        """The PCM that the mode still holds back, once the last codes are in."""
        return self._timed(self._flush)

    @property
    def stats(self) -> SessionStats:
        """Frames, samples, calls and time so far; on CUDA it waits for the work that is queued."""
        decode_ms = self._time.read_ms()
        return SessionStats(
            frames=self._frames,
            samples=self._samples,
            samples_expected=self._frames * self.staged.samples_per_frame,
            calls=self.calls,
            decode_ms=decode_ms,
            ms_a_call=decode_ms / self.calls if self.calls else None,
        )

    @abstractmethod
    def _prime(self, codes: Tensor) -> None:
        """As ``prime``, without counting."""

    def _fork_state(self) -> None:  # noqa: B027  a mode without a state that is written in place has nothing to copy
        """Replace what is written in place by copies."""

    @abstractmethod
    def _push(self, codes: Tensor) -> Tensor:
        """As ``push``; ``_frames`` counts these frames already."""

    def _flush(self) -> Tensor:
        return self.staged.silence()

    def _timed(self, work: Callable[[], Tensor]) -> Tensor:
        with self._time.measured(), self.probes.attached():
            pcm = work()
            self.probes.pause()
        self._samples += len(pcm)
        return pcm


def join(past: Tensor | None, new: Tensor) -> tuple[Tensor, int]:
    """Rows kept from before, if any, and new rows -> both together, and how many were kept."""
    return (new, 0) if past is None else (torch.cat([past, new]), len(past))


def last(rows: Tensor, count: int) -> Tensor:
    """The last ``count`` rows, or all if there are fewer."""
    # A slice from -0 would be all rows.
    return rows[max(0, len(rows) - count) :]
