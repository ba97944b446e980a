"""The prompts of an engine's voices: each is read or encoded once, and then kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, file_sha256, open_regular
from ttsctl.core.request import Request, Voice
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.model.checkpoint import Checkpoint
from ttsctl.engine.model.encoder_files import has_speaker_encoder
from ttsctl.engine.placement import Placement
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.switches import InForce
from ttsctl.engine.voice.encoders import VoiceEncoder, open_codec_encoder, open_speaker_encoder
from ttsctl.engine.voice.prompt_file import read_voice_of
from ttsctl.engine.voice.reference import read_reference

OTHER = "encoders and talker are not of one model: encode the reference with this checkpoint"


class Voices:
    """Prompts by voice, and the encoders that make them, which load with the first reference."""

    def __init__(self, checkpoint: Checkpoint, placement: Placement, in_force: InForce) -> None:
        self.checkpoint = checkpoint
        self._placement = placement
        self.in_force = in_force
        self._encoder: VoiceEncoder | None = None
        self._codec_alone: VoiceEncoder | None = None
        self._prompts: dict[tuple[object, ...], VoicePrompt] = {}

    @property
    def encoder(self) -> VoiceEncoder:
        """Both encoders. InputError if the checkpoint lacks one."""
        if self._encoder is None:
            codec = open_codec_encoder(self.checkpoint, self._placement)
            self._encoder = VoiceEncoder(open_speaker_encoder(self.checkpoint, self._placement), codec, self._placement)
        return self._encoder

    @property
    def codec_encoder(self) -> VoiceEncoder:
        """The codec encoder, with the speaker encoder if the checkpoint has one. InputError without a codec encoder."""
        if has_speaker_encoder(self.checkpoint.folder / "config.json"):
            return self.encoder
        if self._codec_alone is None:
            codec = open_codec_encoder(self.checkpoint, self._placement)
            self._codec_alone = VoiceEncoder(None, codec, self._placement)
        return self._codec_alone

    def prompted(self, request: Request, probes: CodegenProbes | None = None) -> Request:
        """The request with its voice's prompt; as it is for a checkpoint that clones no voice.

        Probes that record see every stage of the encoding, so it is done again for them. InputError for a voice
        without a reference where the checkpoint needs one, with one where it takes none, and for a bad reference.
        """
        check_voice(request.voice, self.checkpoint.sizes.model_type)
        if self.checkpoint.sizes.model_type != "base" or request.prompt is not None:
            return request
        return replace(request, prompt=self._prompt(request.voice, probes))

    def has(self, voice: Voice) -> bool:
        """Whether the voice's prompt is kept already."""
        return _key(voice) in self._prompts

    def _prompt(self, voice: Voice, probes: CodegenProbes | None) -> VoicePrompt:
        if probes is not None and probes.records:
            return self._made(voice, probes)
        key = _key(voice)
        if key not in self._prompts:
            self._prompts[key] = self._made(voice, CodegenProbes())
        return self._prompts[key]

    @torch.inference_mode()
    def _made(self, voice: Voice, probes: CodegenProbes) -> VoicePrompt:
        if voice.voice_file is not None:
            path = Path(voice.voice_file)
            with open_regular(path, "voice file", MAX_BYTES["json"]) as file:
                _refuse_changed(voice, voice.voice_file, file_sha256(file))
            return self._checked(read_voice_of(voice), voice)
        assert voice.ref_audio is not None, "check_voice has seen that there is one of both"
        reference = read_reference(Path(voice.ref_audio))
        _refuse_changed(voice, voice.ref_audio, reference.sha256)
        with self.in_force, probes.attached():
            x_vector = self.encoder.x_vector(reference, probes).cpu().numpy()
            codes = None if voice.x_vector_only else self.encoder.codes(reference, probes).cpu().numpy()
            probes.pause()
        text = None if voice.x_vector_only else voice.ref_text
        prompt = VoicePrompt(codes, np.asarray(x_vector, np.float32), text, reference.sha256)
        return self._checked(prompt, voice)

    def _checked(self, prompt: VoicePrompt, voice: Voice) -> VoicePrompt:
        """InputError if a prompt was made with other sizes than those of this checkpoint's talker."""
        hidden, groups = self.checkpoint.sizes.talker.hidden_size, self.checkpoint.sizes.num_code_groups
        size, where = self.checkpoint.codec_sizes.codebook_size, f"voice {voice.voice_file or voice.ref_audio}"
        if len(prompt.x_vector) != hidden:
            what = f"{where}: expected an x-vector of {hidden}, got {len(prompt.x_vector)}"
            raise InputError(what, OTHER)
        codes = prompt.codes
        if codes is not None and (codes.shape[1] != groups or codes.min() < 0 or codes.max() >= size):
            what = f"{where}: expected codes (R, {groups}) of ids below {size}, got {codes.shape} up to {codes.max()}"
            raise InputError(what, OTHER)
        return prompt


def check_voice(voice: Voice, model_type: str) -> None:
    """InputError unless the voice has what a checkpoint of this type takes."""
    if model_type != "base":
        if voice.is_cloned:
            what = f"voice {voice.id!r}: a reference, but this checkpoint ({model_type}) clones no voice"
            raise InputError(what, "use a Base checkpoint, or leave the reference out")
        return
    if not voice.is_cloned:
        what = f"voice {voice.id!r}: no reference, and a Base checkpoint speaks only in a voice that it clones"
        raise InputError(what, "give --ref-audio FILE with --ref-text TEXT, or a voice of a file made by 'encode'")
    if voice.voice_file is None and not voice.x_vector_only and not (voice.ref_text or "").strip():
        what = f"voice {voice.id!r}: no text of the reference"
        raise InputError(what, "give --ref-text, what it says, or --x-vector-only")


def _refuse_changed(voice: Voice, file: str, sha256: str) -> None:
    """InputError if the file is not the one that the voice was chosen with."""
    if voice.ref_sha256 is not None and sha256 != voice.ref_sha256:
        what = f"voice {voice.id!r}: {file}: expected sha256 {voice.ref_sha256[:12]}…, got {sha256[:12]}…"
        raise InputError(what, "it has changed since the voice was chosen; start again")


def _key(voice: Voice) -> tuple[object, ...]:
    return voice.ref_audio, voice.ref_sha256, voice.voice_file, voice.ref_text, voice.x_vector_only
