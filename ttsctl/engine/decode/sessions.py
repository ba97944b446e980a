"""The decode modes: a session for each, and the one mapping from ``decoder.mode`` to its session."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from ttsctl.core.config import Config, DecodeMode
from ttsctl.core.errors import InputError, nearest
from ttsctl.engine.decode.fixed_step import STEP_FRAMES, fixed_step
from ttsctl.engine.decode.session import Session, join, last
from ttsctl.engine.decode.staged import Stages
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.streaming import StreamState
from ttsctl.engine.recording.probes import DecodeProbes

TransformerMode = Literal["cache", "window", "full"]


class OneshotSession(Session):
    """All frames at once, after the last one: true offline decoding."""

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", probes: DecodeProbes | None = None) -> None:
        super().__init__(decoder, stages, probes)
        self._codes: list[Tensor] = []

    @classmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> OneshotSession:
        return cls(decoder, config.decoder.stages, probes)

    def _push(self, codes: Tensor) -> Tensor:
        self._codes.append(codes)
        return self.staged.silence()

    def _flush(self) -> Tensor:
        codes, self._codes = self._codes, []
        if not self._frames:
            return self.staged.silence()
        self.calls += 1
        self.probes.step(0, 0, self._frames, self._frames)
        pcm = self.staged.audio(self.staged.latents(torch.cat(codes)))
        return pcm[self.staged.reference_samples(self._primed) :]

    def _prime(self, codes: Tensor) -> None:
        self._codes = [codes]

    def _fork_state(self) -> None:
        self._codes = list(self._codes)


class WindowedSession(Session):
    """Each packet is decoded from its codes and those of up to ``left_context`` frames before it, whose audio is cut.

    The cut is counted from the start of the audio, so under legacy padding every packet is ``lost_samples`` short at
    its end.
    """

    def __init__(
        self, decoder: CodecDecoder, left_context: int, stages: Stages = "full", probes: DecodeProbes | None = None
    ) -> None:
        super().__init__(decoder, stages, probes)
        self.left_context = left_context
        self._context: Tensor | None = None

    @classmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> WindowedSession:
        return cls(decoder, config.stream.left_context, config.decoder.stages, probes)

    def _push(self, codes: Tensor) -> Tensor:
        if not len(codes):
            return self.staged.silence()
        joined, held = join(self._context, codes)
        self._context = last(joined, self.left_context)
        self.calls += 1
        new = self._frames - len(codes)
        self.probes.step(new, new, self._frames, self._frames)
        pcm = self.staged.audio(self.staged.latents(joined))
        return pcm[held * self.staged.samples_per_frame :]

    def _prime(self, codes: Tensor) -> None:
        self._context = last(codes, self.left_context)


class CachedSession(Session):
    """``pre_conv`` and the transformer keep their state; the convolutions after them run again over a window.

    The window is the packet and the last ``left_context`` latents before it, whose audio is cut off.
    """

    def __init__(
        self, decoder: CodecDecoder, left_context: int, stages: Stages = "full", probes: DecodeProbes | None = None
    ) -> None:
        super().__init__(decoder, stages, probes)
        self.left_context = left_context
        self._state = decoder.new_state()
        self._context: Tensor | None = None

    @classmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> CachedSession:
        return cls(decoder, config.stream.left_context, config.decoder.stages, probes)

    def _push(self, codes: Tensor) -> Tensor:
        if not len(codes):
            return self.staged.silence()
        new = self._frames - len(codes)
        self.probes.step(new, new, self._frames, self._frames)
        joined, held = join(self._context, self.staged.latents(codes, self._state))
        self._state.advance(len(codes))
        self._context = last(joined, self.left_context)
        self.calls += 1
        return self.staged.audio(joined)[held * self.staged.samples_per_frame :]

    def _prime(self, codes: Tensor) -> None:
        latents = self.staged.latents(codes, self._state)
        self._state.advance(len(codes))
        self._context = last(latents, self.left_context)

    def _fork_state(self) -> None:
        self._state = self._state.copy()


class IncrementalSession(Session):
    """All state kept, nothing recomputed at step boundaries, and one shape of step whatever the packet.

    Steps lie on a grid of ``step_frames``. A step that is not full yet is run with zeros in the missing places and
    leaves the state alone, so its frames come out with the bits that the full step gives them: the PCM depends on
    the codes before a sample, never on how they were split. Legacy padding cuts the stream's start alone, so nothing
    is held back for the end.

    ``transformer``: cache keeps keys and values; window and full run it again over the last ``sliding_window``
    frames, or all, up to the step's end. Their shapes grow at the start of a stream, but with the grid, not the packet.
    """

    def __init__(
        self,
        decoder: CodecDecoder,
        step_frames: int = STEP_FRAMES,
        transformer: TransformerMode = "cache",
        stages: Stages = "full",
        probes: DecodeProbes | None = None,
    ) -> None:
        super().__init__(decoder, stages, probes)
        self.step_frames = step_frames
        self.transformer = transformer
        self._state = decoder.new_state()
        self._open: Tensor | None = None
        self._embedded: Tensor | None = None

    @classmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> IncrementalSession:
        return cls(decoder, STEP_FRAMES, config.decoder.transformer, config.decoder.stages, probes)

    def _push(self, codes: Tensor) -> Tensor:
        pieces = []
        while len(codes):
            held = 0 if self._open is None else len(self._open)
            block = join(self._open, codes[: self.step_frames - held])[0]
            codes = codes[len(block) - held :]
            pieces.append(self._step(block, held))
        return torch.cat(pieces) if pieces else self.staged.silence()

    def _prime(self, codes: Tensor) -> None:
        self._push(codes)

    def _fork_state(self) -> None:
        self._state = self._state.copy()

    def _step(self, block: Tensor, emitted: int) -> Tensor:
        """Run one grid step whose first ``emitted`` frames are out already -> the PCM of the others."""
        missing = self.step_frames - len(block)
        commit = missing == 0
        self._open = None if commit else block
        lost = self.decoder.lost_samples if self._state.position == 0 else 0
        shaped = block if commit else torch.cat([block, block.new_zeros((missing, block.shape[1]))])
        self.calls += 1
        grid = self._state.position - self._primed
        self.probes.step(grid, grid + emitted, grid + len(block), grid + self.step_frames)
        pcm = self._run(shaped, commit, shorter=lost > 0)
        self._state.advance_on_host(self.step_frames)
        per_frame = self.staged.samples_per_frame
        return pcm[max(0, emitted * per_frame - lost) : max(0, len(block) * per_frame - lost)]

    def _run(self, codes: Tensor, commit: bool, shorter: bool) -> Tensor:
        """One step's codes (step_frames, Q) -> its PCM; ``shorter``: a first step under legacy padding."""
        stepper = self.staged.usable_stepper
        if stepper is None or shorter or self.transformer != "cache" or self.step_frames != STEP_FRAMES:
            return fixed_step(self.staged, codes, self._state, commit, self._transform)
        self._state.commit = commit
        if self.staged.before_audio is not None:
            self.staged.before_audio()
        return stepper.step(codes, self._state, commit)

    def _transform(self, embedded: Tensor, state: StreamState) -> Tensor:
        """A step's latents before the transformer (step_frames, latent_dim) -> those after it."""
        if self.transformer == "cache":
            return self.staged.transform(embedded, state)
        joined, held = join(self._embedded, embedded)
        if state.commit:
            self._embedded = last(joined, self._frames_before()) if self.transformer == "window" else joined
        return self.staged.transform(joined)[held:]

    def _frames_before(self) -> int:
        """How many frames before a step the window still holds."""
        return max(0, (self.decoder.sizes.transformer.sliding_window or 1) - self.step_frames)


SESSIONS: Mapping[DecodeMode, type[Session]] = MappingProxyType(
    {
        "oneshot": OneshotSession,
        "windowed": WindowedSession,
        "cached": CachedSession,
        "incremental": IncrementalSession,
    }
)


def new_session(decoder: CodecDecoder, config: Config, probes: DecodeProbes | None = None) -> Session:
    """A fresh session of the mode ``decoder.mode``, recorded by ``probes``. InputError for an unknown mode.

    ``decoder.padding`` is a property of the decoder itself: see ``CodecDecoder.set_legacy``.
    """
    mode = config.decoder.mode
    if mode not in SESSIONS:
        raise InputError(f"decoder.mode = {mode!r}: no such decode mode", nearest(mode, list(SESSIONS)))
    return SESSIONS[mode].configured(decoder, config, probes)
