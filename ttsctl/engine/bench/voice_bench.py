"""Times what cloning a voice costs: the encoders, priming a decoder with the reference, and copying its kept state."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from ttsctl.core.bench_results import VoiceBench, VoiceStage
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.provenance import Provenance
from ttsctl.engine.bench.random_networks import RELEASED_CODEC, random_codec, random_encoders
from ttsctl.engine.decode.sessions import new_session
from ttsctl.engine.loading import open_decoder
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.random_references import RATE, Speaker, speech_like
from ttsctl.engine.placement import Placement, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance, with_threads
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.switches import apply_switches
from ttsctl.engine.voice.encoders import VoiceEncoder, open_codec_encoder, open_speaker_encoder
from ttsctl.engine.voice.reference import MAX_SECONDS, ReferenceAudio

COPIES = 20
T = TypeVar("T")


@torch.inference_mode()
def bench_voice(
    config: Config,
    checkpoint: str | None = None,
    seconds: float = 5.0,
    rounds: int = 3,
    seed: int = 0,
    tell: Callable[[str, int, int], None] | None = None,
) -> VoiceBench:
    """Encode a speech-like reference of ``seconds``, prime a decoder with its codes and copy that, ``rounds`` times.

    A round that does not count warms up. ``checkpoint`` None = random weights of the released 0.6B size. ``tell`` is
    called before each round with its name, number and the number of rounds. InputError for no rounds, for a reference
    that no voice may have, a checkpoint without encoders, or settings that this machine does not have.
    """
    if rounds < 1 or not 0.1 <= seconds <= MAX_SECONDS:
        what = f"bench: a reference of {seconds:g} s in {rounds} rounds"
        raise InputError(what, f"give 0.1 to {MAX_SECONDS:g} s, and at least one round")
    refuse_unavailable(config)
    placement = place(config)
    apply_switches(config)
    encoder, decoder, name, provenance = _networks(checkpoint, placement, seed)
    reference = ReferenceAudio(speech_like(Speaker(110.0, 1.0, seconds)).astype(np.float32) * 0.6, RATE, "")
    times: dict[str, list[float]] = {}
    frames = 0
    for index in range(-1, rounds):
        if tell and index >= 0:
            tell("round", index, rounds)
        frames, found = _round(encoder, decoder, config, reference)
        for stage, ms in found.items():
            times.setdefault(stage, []).extend([ms] if index >= 0 else [])
    stages = tuple(_stage(stage, ms, seconds) for stage, ms in times.items())
    return VoiceBench(name, seconds, frames, rounds, stages, read_back(placement), provenance)


def _networks(
    checkpoint: str | None, placement: Placement, seed: int
) -> tuple[VoiceEncoder, CodecDecoder, str, Provenance]:
    if checkpoint is None:
        speaker, codec = random_encoders(seed, placement.codegen_device, placement.codegen_dtype)
        decoder = random_codec(RELEASED_CODEC, seed, placement.decoder_device, placement.decoder_dtype).decoder
        name = "released size (0.6B), random weights"
        return VoiceEncoder(speaker, codec, placement), decoder, name, with_threads(collect_provenance())
    opened = open_checkpoint(checkpoint)
    codec, speaker = open_codec_encoder(opened, placement), open_speaker_encoder(opened, placement)
    encoder = VoiceEncoder(speaker, codec, placement)
    return encoder, open_decoder(opened, placement), checkpoint, engine_provenance(opened)


def _round(
    encoder: VoiceEncoder, decoder: CodecDecoder, config: Config, reference: ReferenceAudio
) -> tuple[int, dict[str, float]]:
    """Frames of the reference, and the wall ms of each stage."""
    probes = CodegenProbes()
    _, speaker_ms = _timed(lambda: encoder.x_vector(reference, probes))
    codes, codec_ms = _timed(lambda: encoder.codes(reference, probes))
    codes = codes.to(decoder.pre_conv.conv.weight.device)
    session = new_session(decoder, config)
    _, prime_ms = _timed(lambda: session.prime(codes))
    _, copies_ms = _timed(lambda: [session.fork() for _ in range(COPIES)])
    stages = {"speaker_encoder": speaker_ms, "codec_encoder": codec_ms, "prime": prime_ms, "copy": copies_ms / COPIES}
    return len(codes), stages


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What the work gives, and its wall ms, with all that it queued on CUDA done."""
    started = time.perf_counter()
    found = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return found, (time.perf_counter() - started) * 1e3


def _stage(name: str, ms: list[float], seconds: float) -> VoiceStage:
    """The figures of a stage; a copy does not go with the length of the reference."""
    middle = median(ms)
    per_second = None if name == "copy" else middle / seconds
    return VoiceStage(name, middle, min(ms), max(ms), per_second, None if per_second is None else 1e3 / per_second)
