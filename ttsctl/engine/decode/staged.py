"""The decoder with some of its stages left out, and what may stand in for its eager step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from torch import Tensor

from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.streaming import StreamState
from ttsctl.engine.recording.probes import DecodeProbes

Stages = Literal["full", "pre_transformer", "conv_only", "noop"]


class Stepper(Protocol):
    """Runs fixed steps of a loaded decoder, such as by replaying a captured graph."""

    def step(self, codes: Tensor, state: StreamState, commit: bool) -> Tensor:
        """As ``fixed_step`` on the whole decoder: codes (STEP_FRAMES, Q) -> pcm (samples,), with the same bits.

        The PCM is the caller's: no later step writes to it. The host's ``state.position`` is the caller's to move.
        """
        ...


class StagedDecoder:
    """The decoder with some of its stages left out, so that a difference can be attributed to one of them.

    ``pre_transformer`` stops after the transformer and gives no audio. ``conv_only`` skips the transformer: the
    convolutions get its input. ``noop`` runs the transformer and gives silence of the right length.
    """

    def __init__(self, decoder: CodecDecoder, stages: Stages = "full", probes: DecodeProbes | None = None) -> None:
        self.decoder = decoder
        self.stages = stages
        self.probes = DecodeProbes() if probes is None else probes
        self.samples_per_frame = decoder.sizes.samples_per_frame
        # Called before the convolutions are queued: under stream.sync = phase they wait here for code generation.
        self.before_audio: Callable[[], None] | None = None
        # Runs the fixed steps of the whole decoder, where nothing is recorded; None = eagerly.
        self.stepper: Stepper | None = None

    @property
    def usable_stepper(self) -> Stepper | None:
        """The stepper, if no stage is left out and no probe has to see the stages' values."""
        return self.stepper if self.stages == "full" and not self.probes.records else None

    def silence(self, samples: int = 0) -> Tensor:
        return self.decoder.silence(samples)

    def reference_samples(self, frames: int) -> int:
        """How much audio of a sequence belongs to its first frames: less ``lost_samples``, which its start lacks."""
        if not frames or self.stages == "pre_transformer":
            return 0
        return frames * self.samples_per_frame - self.decoder.lost_samples

    def transform(self, embedded: Tensor, state: StreamState | None = None) -> Tensor:
        """Latents before the transformer (n, latent_dim) -> those after it; the same if it is skipped."""
        return embedded if self.stages == "conv_only" else self.decoder.pre_transformer(embedded, state)

    def latents(self, codes: Tensor, state: StreamState | None = None) -> Tensor:
        """codes (n, Q) -> the convolutions' input (n, latent_dim)."""
        return self.transform(self.decoder.embed(codes, state), state)

    def audio(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """latents (n, latent_dim) -> pcm: n frames, less ``lost_samples`` at the start of a sequence or stream."""
        if self.before_audio is not None:
            self.before_audio()
        if self.stages in ("full", "conv_only"):
            return self.probes.value("codec.pcm", self.decoder.waveform(latents, state))
        if self.stages == "pre_transformer":
            return self.silence()
        first = state is None or state.position == 0
        return self.silence(len(latents) * self.samples_per_frame - (self.decoder.lost_samples if first else 0))
