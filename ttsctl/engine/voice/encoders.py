"""The two encoders of a Base checkpoint, loaded together and only once a reference asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttsctl.core.errors import InputError
from ttsctl.engine.model.checkpoint import Checkpoint, load_module
from ttsctl.engine.model.codec_encoder import CodecEncoder, CodecEncoderNetwork
from ttsctl.engine.model.config_files import DAMAGED
from ttsctl.engine.model.encoder_files import read_codec_encoder_sizes, read_speaker_sizes
from ttsctl.engine.model.mel import log_mel
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.speaker_encoder import SpeakerEncoder, SpeakerNetwork
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.voice.reference import ReferenceAudio, resample_reference


def open_codec_encoder(checkpoint: Checkpoint, placement: Placement) -> CodecEncoder:
    """Load the codec encoder. InputError if the checkpoint has none, or one whose tensors are not trained."""
    folder = checkpoint.folder / "speech_tokenizer"
    sizes = read_codec_encoder_sizes(folder / "config.json")
    network = build_on_meta(lambda: CodecEncoderNetwork(sizes))
    load_module(network, folder, placement.codegen_device, placement.decoder_dtype, prefix="encoder.")
    refuse_untrained(network, str(folder))
    return network.encoder


def open_speaker_encoder(checkpoint: Checkpoint, placement: Placement) -> SpeakerEncoder:
    """Load the speaker encoder; errors as for ``open_codec_encoder``."""
    sizes = read_speaker_sizes(checkpoint.folder / "config.json")
    if sizes.enc_dim != checkpoint.sizes.talker.hidden_size:
        what = f"an x-vector of {sizes.enc_dim}, a talker of {checkpoint.sizes.talker.hidden_size}"
        raise InputError(f"{checkpoint.folder}: {what}", "speaker encoder and talker are not of one model")
    network = build_on_meta(lambda: SpeakerNetwork(sizes))
    load_module(
        network, checkpoint.folder, placement.codegen_device, placement.codegen_dtype, prefix="speaker_encoder."
    )
    refuse_untrained(network, str(checkpoint.folder))
    return network.speaker_encoder


def refuse_untrained(module: nn.Module, where: str) -> None:
    """InputError for a tensor that no training leaves: NaN or infinite values, a matrix of one value, no usage.

    Encoders of uninitialised memory still run: they give one code on every frame, or any voice.
    """
    for name, weight in module.named_parameters():
        wide = weight.float()
        low, high = (float(bound) for bound in wide.aminmax())
        if not (torch.isfinite(wide).all()):
            what = "holds NaN or infinite values"
        elif name.endswith((".initialized", ".cluster_usage")) and high <= 0:
            what = "says that the codebook was never trained"
        elif weight.dim() > 1 and weight.numel() > 1 and low == high:
            what = f"is {low:g} everywhere"
        else:
            continue
        raise InputError(f"{where}: {name} {what}: not initialised", DAMAGED)


@dataclass(frozen=True)
class VoiceEncoder:
    """Both encoders, or the codec's alone; holds no voice."""

    speaker: SpeakerEncoder | None
    codec: CodecEncoder
    placement: Placement

    def x_vector(self, reference: ReferenceAudio, probes: CodegenProbes) -> Tensor:
        """The x-vector (D,) float32 of a reference. InputError for one that is too short."""
        speaker = self.speaker
        assert speaker is not None, "a checkpoint without a speaker encoder clones no voice"
        probes.at("reference", 0)
        pcm = probes.value("reference.audio", self._on_device(reference))
        sizes = speaker.sizes
        probes.at("resampling", 0)
        pcm = probes.value("reference.speaker_pcm", self._resampled(pcm, reference.sample_rate, sizes.sample_rate))
        if len(pcm) < sizes.least_samples:
            raise _too_short(len(pcm), sizes.least_samples, sizes.sample_rate)
        probes.at("mel", 0)
        mel = probes.value("mel", log_mel(pcm, sizes.sample_rate))
        probes.at("speaker_encoder", 0)
        weight = next(speaker.parameters())
        with probes.inside("speaker_encoder", speaker):
            x_vector = speaker(mel.to(weight.dtype)).float()
        _require_finite("its x-vector", x_vector)
        return probes.value("x_vector", x_vector)

    def codes(self, reference: ReferenceAudio, probes: CodegenProbes) -> Tensor:
        """The codes (R, Q) int64 of a reference: R = ceil(seconds · 12.5)."""
        probes.at("reference", 0)
        pcm = probes.value("reference.audio", self._on_device(reference))
        probes.at("resampling", 0)
        rate = self.codec.sizes.sample_rate
        pcm = probes.value("reference.codec_pcm", self._resampled(pcm, reference.sample_rate, rate))
        probes.at("codec_encoder", 0)
        weight = next(self.codec.parameters())
        count = self.codec.sizes.valid_quantizers
        with probes.inside("codec_encoder", self.codec):
            latents = probes.value("codec_latents", self.codec.latents(pcm.to(weight.dtype)))
            _require_finite("its latents", latents)
            codes = self.codec.quantizer.encode(latents, count)
        return probes.value("reference.codes", codes)

    def codec_pcm(self, reference: ReferenceAudio) -> Tensor:
        """The audio (N,) float32 of a reference at the codec's rate: what ``codes`` encodes."""
        return self._resampled(self._on_device(reference), reference.sample_rate, self.codec.sizes.sample_rate)

    def _on_device(self, reference: ReferenceAudio) -> Tensor:
        return torch.from_numpy(reference.pcm).to(self.placement.codegen_device)

    def _resampled(self, pcm: Tensor, from_rate: int, to_rate: int) -> Tensor:
        if from_rate == to_rate:
            return pcm
        return torch.from_numpy(resample_reference(pcm.cpu().numpy(), from_rate, to_rate)).to(pcm.device)


def _require_finite(what: str, value: Tensor) -> None:
    """InputError for NaN or infinity, whose nearest code would be the same on every frame."""
    if not torch.isfinite(value).all():
        fix = "check that full scale is 1.0, and that the weights are those of this checkpoint"
        raise InputError(f"reference audio: {what} cannot be computed: NaN or infinite values", fix)


def _too_short(samples: int, least: int, rate: int) -> InputError:
    what = f"reference audio: expected at least {1000 * least / rate:.0f} ms, got {1000 * samples / rate:.0f} ms"
    return InputError(what, "pass a longer one; 3 to 30 s are usual")
