"""Faults planted between a reference's file and the prompt, each with the place where a comparison has to find it.

As in ``planted``: they replace a function or the ``forward`` of one module for one run, and the recorder knows nothing
of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.engine_help import ORACLE
from tests.explain.planted import CHANGES, Change, Fault, Plant, at_call, replaced
from ttsctl.core.request import Request, Voice
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.voice import encoders, voices
from ttsctl.engine.voice.encoders import VoiceEncoder
from ttsctl.engine.voice.voices import Voices

EXPECTED = ORACLE / "base_clone" / "expected"
# At 16 kHz, so that it is resampled for both encoders.
VOICE = Voice("v", ref_audio=str(EXPECTED / "ref_zh.wav"), ref_text="Good evening to all of you.")
REQUEST = Request("Good morning, this is a test.", VOICE)
SPEAKER = (
    "blocks.0.conv",
    "blocks.1.tdnn1.conv",
    "blocks.1.res2net_block.blocks.0.conv",
    "blocks.2.res2net_block.blocks.1.conv",
    "blocks.2.se_block.conv1",
    "blocks.3.se_block.conv2",
    "blocks.3.tdnn2.conv",
    "mfa.conv",
    "asp.tdnn.conv",
    "asp.conv",
    "fc",
)
CODEC = (
    "encoder.layers.0",
    "encoder.layers.1.block.1",
    "encoder.layers.3.conv",
    "encoder.layers.6.conv",
    "encoder_transformer.layers.0.input_layernorm",
    "encoder_transformer.layers.0.self_attn.q_proj",
    "encoder_transformer.layers.0.self_attn.v_proj",
    "encoder_transformer.layers.0.self_attn.o_proj",
    "encoder_transformer.layers.1.mlp.fc1",
    "encoder_transformer.layers.1.mlp.fc2",
    "encoder_transformer.layers.1.mlp_layer_scale",
    "downsample.conv",
)
QUANTISERS = ("semantic_residual_vector_quantizer", "acoustic_residual_vector_quantizer")


@dataclass(frozen=True)
class VoicePlan:
    """Every place is struck ``each`` times, at other places of its value and by other sizes."""

    rng: random.Random
    each: int = 1

    def faults(self) -> Iterator[Fault]:
        for _ in range(self.each):
            yield from self._reference()
            yield from self._resampled()
            yield from self._values()
            yield from self._modules()
            yield from self._codes()
            yield from self._prompt()

    def _fault(self, how: str, stage: str, point: str, plant: Plant) -> Fault:
        return Fault(how, stage, 0, 0, point, plant)

    def _anywhere(self) -> Change:
        """One element, anywhere, by its last bit or by up to its own size."""
        place, size = self.rng.random(), self.rng.choice([0.0, 1e-4, 1e-2, 1.0])

        def change(values: Tensor) -> Tensor:
            flat = values.clone().reshape(-1)
            at = int(place * len(flat))
            at = at if flat[at] != 0 else int(flat.abs().argmax())
            more = flat[at] * (1 + size) if size else torch.nextafter(flat[at], torch.tensor(torch.inf))
            flat[at] = more
            return flat.reshape(values.shape)

        return change

    def _stretch(self, what: str) -> Change:
        """A stretch of the audio: silent, louder, cut off, moved by a sample, or with noise."""
        start, share, noise = self.rng.random() * 0.6, self.rng.choice([0.002, 0.05, 0.3]), self.rng.randrange(1000)

        def change(pcm: Tensor) -> Tensor:
            at, count = int(start * len(pcm)), max(1, int(share * len(pcm)))
            own = slice(at, at + count)
            if what == "cut off":
                return pcm[: len(pcm) - count].clone()
            changed = pcm.clone()
            if what == "silent":
                changed[own] = 0
            elif what == "louder":
                changed[own] *= 1.25
            elif what == "a sample late":
                changed[own] = pcm[own].roll(1)
            else:
                generator = torch.Generator().manual_seed(noise)
                changed[own] += 0.01 * torch.randn(len(changed[own]), generator=generator)
            return changed

        return change

    def _reference(self) -> Iterator[Fault]:
        for what in ("cut off", "silent", "louder", "a sample late", "noise"):
            yield self._fault(what, "reference", "reference.audio", of_reference(self._stretch(what)))
        yield self._fault("one sample", "reference", "reference.audio", of_reference(self._anywhere()))

    def _resampled(self) -> Iterator[Fault]:
        """For one encoder alone: the other's must not be blamed."""
        for call, point in ((0, "reference.speaker_pcm"), (1, "reference.codec_pcm")):
            for what in ("cut off", "louder", "a sample late", "noise"):
                plant = of_function(VoiceEncoder, "_resampled", call, self._stretch(what))
                yield self._fault(what, "resampling", point, plant)
            yield self._fault(
                "one sample", "resampling", point, of_function(VoiceEncoder, "_resampled", call, self._anywhere())
            )

    def _values(self) -> Iterator[Fault]:
        """The mel and the x-vector and latents as they leave their stage."""
        for how, change in (*CHANGES.items(), ("anywhere", self._anywhere())):
            yield self._fault(how, "mel", "mel", of_function(encoders, "log_mel", 0, change))

    def _modules(self) -> Iterator[Fault]:
        for stage, part, paths in (("speaker_encoder", "speaker", SPEAKER), ("codec_encoder", "codec", CODEC)):
            for path in paths:
                how = self.rng.choice([*CHANGES, "anywhere"])
                change = CHANGES.get(how) or self._anywhere()
                yield self._fault(how, stage, f"{stage}.{path}", of_module(part, path, change))
        for name in QUANTISERS:
            plant = of_module("codec", f"quantizer.{name}.input_proj", self._anywhere())
            yield self._fault("anywhere", "codec_encoder", f"codec_encoder.quantizer.{name}.input_proj", plant)

    def _codes(self) -> Iterator[Fault]:
        """What the quantiser gives: one id, a dead codebook, one id on every frame, a frame twice."""
        frame, book, other = self.rng.random(), self.rng.randrange(16), self.rng.randrange(1, 64)

        def one_id(codes: Tensor) -> Tensor:
            changed = codes.clone()
            changed[int(frame * len(codes)), book] = (changed[int(frame * len(codes)), book] + other) % 64
            return changed

        def dead(codes: Tensor) -> Tensor:
            changed = codes.clone()
            changed[:, book] = other
            return changed

        def constant(codes: Tensor) -> Tensor:
            return codes[:1].expand_as(codes).clone()

        def late(codes: Tensor) -> Tensor:
            return codes.roll(1, 0)

        for how, change in (("one id", one_id), ("dead", dead), ("constant", constant), ("a frame late", late)):
            yield self._fault(how, "codec_encoder", "reference.codes", of_quantiser(change))
            yield self._fault(how, "prompt", "prompt.ref_codes", of_prompt(codes=change))

    def _prompt(self) -> Iterator[Fault]:
        for how, change in (*CHANGES.items(), ("anywhere", self._anywhere())):
            yield self._fault(how, "prompt", "prompt.x_vector", of_prompt(x_vector=change))


def of_function(owner: Any, name: str, call: int, change: Change) -> Plant:
    return lambda _: replaced(owner, name, at_call(call, change))


def of_reference(change: Change) -> Plant:
    def read(reference: Any) -> Any:
        pcm = change(torch.from_numpy(reference.pcm.copy())).numpy()
        return replace(reference, pcm=np.ascontiguousarray(pcm))

    return lambda _: replaced(voices, "read_reference", at_call(0, read))


def of_module(part: str, path: str, change: Change) -> Plant:
    """``part`` of the encoder: speaker or codec."""

    def plant(engine: LocalEngine) -> AbstractContextManager[None]:
        module = getattr(engine.cloned.voices.encoder, part).get_submodule(path)
        return replaced(module, "forward", at_call(0, change))

    return plant


def of_quantiser(change: Change) -> Plant:
    return lambda engine: replaced(engine.cloned.voices.encoder.codec.quantizer, "encode", at_call(0, change))


def of_prompt(x_vector: Change | None = None, codes: Change | None = None) -> Plant:
    """What the encoders gave is changed on its way into the prompt."""

    def change(prompt: VoicePrompt) -> VoicePrompt:
        return changed_prompt(prompt, x_vector, codes)

    return lambda _: replaced(Voices, "_made", at_call(0, change))


def changed_prompt(prompt: VoicePrompt, x_vector: Change | None = None, codes: Change | None = None) -> VoicePrompt:
    vector, given = prompt.x_vector, prompt.codes
    if x_vector is not None:
        vector = x_vector(torch.from_numpy(vector.copy())).numpy()
    if codes is not None:
        assert given is not None
        given = codes(torch.from_numpy(given.copy())).numpy()
    return replace(prompt, x_vector=vector, codes=given)


def at_stages(fault: Fault) -> Fault | None:
    """The same fault as a comparison of stage points names it; None where that is not certain.

    A ReLU of the speaker encoder may lose a change before its end, as may rounding in both encoders.
    """
    if fault.point.startswith("speaker_encoder."):
        return replace(fault, point="x_vector") if fault.point.endswith(".fc") else None
    if fault.point.startswith("codec_encoder.quantizer"):
        return None
    if fault.point.startswith("codec_encoder."):
        return None if fault.how != "one element" else replace(fault, point="codec_latents")
    return fault
