"""A file of audio through the encoders, on any checkpoint that has a codec encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ttsctl.core.encoded_audio import EncodedAudio
from ttsctl.core.errors import InputError
from ttsctl.engine.codegen.stage import Clock
from ttsctl.engine.model.codec_encoder import CodecEncoder
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.voice.encoders import VoiceEncoder
from ttsctl.engine.voice.reference import ReferenceAudio, read_reference
from ttsctl.engine.voice.voices import Voices


@torch.inference_mode()
def encode_audio(voices: Voices, path: Path) -> EncodedAudio:
    """Codes of a wav or flac file, and its x-vector where the checkpoint has a speaker encoder.

    InputError as of ``read_reference``, and for a checkpoint without a codec encoder.
    """
    reference = read_reference(path)
    with voices.in_force:
        encoder = voices.codec_encoder
        rate = encoder.codec.sizes.sample_rate
        clock = Clock.start()
        codes = encoder.codes(reference, CodegenProbes()).cpu().numpy()
        encode_ms = clock.now_ms()
        x_vector, reason, x_vector_ms = _x_vector(encoder, reference)
        pcm = encoder.codec_pcm(reference).cpu().numpy()
        weights = id_weights(encoder.codec)
    return EncodedAudio(codes, pcm, rate, reference.sha256, x_vector, reason, weights, encode_ms, x_vector_ms)


def _x_vector(
    encoder: VoiceEncoder, reference: ReferenceAudio
) -> tuple[NDArray[np.float32] | None, str | None, float | None]:
    """(the x-vector (D,), why there is none, wall ms)."""
    if encoder.speaker is None:
        return None, "the checkpoint has no speaker encoder", None
    clock = Clock.start()
    try:
        x_vector = encoder.x_vector(reference, CodegenProbes()).cpu().numpy()
    except InputError as error:  # audio that is too short for it may still be encoded
        return None, error.what, None
    return x_vector, None, clock.now_ms()


def id_weights(codec: CodecEncoder) -> NDArray[np.float64]:
    """(Q, codebook size): how often each id was used in training, in shares of its codebook.

    ``cluster_usage`` of a codebook is a moving average of these counts, over the speech that it was trained on.
    """
    quantizer = codec.quantizer
    halves = (quantizer.semantic_residual_vector_quantizer, quantizer.acoustic_residual_vector_quantizer)
    layers: list[Any] = [layer for half in halves for layer in half.layers][: codec.sizes.valid_quantizers]
    usage = np.stack([layer.codebook.cluster_usage.double().cpu().numpy() for layer in layers])
    used = np.maximum(usage, 0.0)
    return np.asarray(used / used.sum(axis=1, keepdims=True))
