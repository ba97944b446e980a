"""Which faults are planted: every kind at every stage, with frames, codebooks and kinds of change drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from tests.explain.planted import (
    CHANGES,
    GROUPS,
    Fault,
    at_call,
    codec_module,
    corrupted,
    corrupted_past,
    function_of,
    function_on,
    handed_over,
    in_last_position,
    on_generator,
    other_text,
    packet_of,
    predictor_call,
    replace_decide,
    talker_module,
)
from ttsctl.engine.decode.fixed_step import STEP_FRAMES

PREDICTOR = "talker.code_predictor"
LAYER = (
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.q_norm",
    "self_attn.k_norm",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True)
class Plan:
    """``frames`` frames of speech; every place is struck ``each`` times, at other frames and codebooks."""

    rng: random.Random
    frames: int
    each: int = 1

    def frame(self, first: int = 0) -> int:
        return self.rng.randrange(first, self.frames)

    def how(self) -> str:
        """Last bits, the hardest to see, are every other fault."""
        return "last bit" if self.rng.random() < 0.5 else self.rng.choice(list(CHANGES)[1:])

    def codegen(self) -> Iterator[Fault]:
        """All faults of a greedy run's code generation."""
        for _ in range(self.each):
            yield from self._talker()
            yield from self._predictor()
            yield from self._draws()
            yield from self._memory()
            yield from self._between()
            yield from self._stages()
            yield from self._prompt()

    def codec(self, paths: list[str], with_past: list[str]) -> Iterator[Fault]:
        """The codec's modules ``paths``, the past of those in ``with_past``, and what is delivered."""
        for _ in range(self.each):
            for path in paths:
                frame, how = self.frame(), self.how()
                yield Fault(how, "codec", frame, 0, path, codec_module(path, frame, CHANGES[how]))
            yield from self._handed_over()
            yield from self._delivered()
        for path in with_past:
            # Its own output is the first to show it.
            yield Fault("past corrupted", "codec", STEP_FRAMES, 0, path, corrupted_past(path))

    def noise(self) -> Iterator[Fault]:
        """For a seeded run: a draw gets the noise of other ids."""

        def at(call: int) -> Callable[[Any], Any]:
            calls = iter(range(10**9))

            def make(usual: Any) -> Any:
                def decide(logits: Tensor, shape: Any, values: Any, noise: Tensor) -> Any:
                    return usual(logits, shape, values, noise.roll(1, -1) if next(calls) == call else noise)

                return decide

            return make

        for frame in range(self.frames):
            codebook = self.rng.randrange(GROUPS)
            plant = replace_decide(at(frame * GROUPS + codebook))
            yield Fault("other noise", "draw", frame, codebook, "draw", plant)

    def _talker(self) -> Iterator[Fault]:
        paths = [f"talker.model.layers.{layer}.{name}" for layer in range(3) for name in LAYER]
        for path in [*paths, "talker.model.norm", "talker.codec_head"]:
            frame, how = self.frame(), self.how()
            yield Fault(how, "talker", frame, 0, path, talker_module(path, frame, CHANGES[how]))

    def _predictor(self) -> Iterator[Fault]:
        paths = [f"{PREDICTOR}.model.layers.{layer}.{name}" for layer in range(2) for name in LAYER]
        for path in [*paths, f"{PREDICTOR}.model.norm"]:
            frame, codebook, how = self.frame(), self.rng.randrange(1, GROUPS), self.how()
            plant = talker_module(path, predictor_call(frame, codebook), CHANGES[how])
            yield Fault(how, "predictor", frame, codebook, path, plant)
        for codebook in range(1, GROUPS):
            frame, how = self.frame(), self.how()
            head = f"{PREDICTOR}.lm_head.{codebook - 1}"
            yield Fault(how, "predictor", frame, codebook, head, talker_module(head, frame, CHANGES[how]))
        for codebook in range(2, GROUPS):
            frame, how = self.frame(), self.how()
            table = f"{PREDICTOR}.model.codec_embedding.{codebook - 2}"
            # Called once for the next group, and once more for the talker's next step.
            if self.rng.random() < 0.5:
                yield Fault(how, "predictor", frame, codebook, table, talker_module(table, 2 * frame, CHANGES[how]))
            else:
                plant = talker_module(table, 2 * frame + 1, CHANGES[how])
                yield Fault(how, "talker", frame + 1, 0, table, plant)

    def _draws(self) -> Iterator[Fault]:
        """The second best id instead of the best."""

        def second(result: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return result[1].topk(2).indices[:, 1], result[1]

        for frame in range(self.frames):
            for codebook in (0, self.rng.randrange(1, GROUPS)):
                plant = replace_decide(at_call(frame * GROUPS + codebook, second))
                yield Fault("draw replaced", "draw", frame, codebook, "draw", plant)

    def _memory(self) -> Iterator[Fault]:
        """Keys and values of the first position, for one step or for good."""
        for layer in range(3):
            for which in ("keys", "values"):
                frame, once = self.frame(first=1), self.rng.random() < 0.5
                point = f"talker.model.layers.{layer}.self_attn.o_proj"
                plant = corrupted("talker.model", frame - 1, which, layer, once)
                yield Fault(f"{which} corrupted", "talker", frame, 0, point, plant, is_input=True, once=once)
        for layer in range(2):
            for which in ("keys", "values"):
                frame, codebook = self.frame(), self.rng.randrange(2, GROUPS)
                point = f"{PREDICTOR}.model.layers.{layer}.self_attn.o_proj"
                plant = corrupted(f"{PREDICTOR}.model", predictor_call(frame, codebook), which, layer, once=True)
                yield Fault(f"{which} corrupted", "predictor", frame, codebook, point, plant, is_input=True)

    def _between(self) -> Iterator[Fault]:
        """The residual sum after a layer, and the rotated queries of one."""
        for layer in range(2):
            frame, how = self.frame(), self.how()
            point = f"talker.model.layers.{layer + 1}.input_layernorm"
            plant = function_of(f"talker.model.layers.{layer}", "feed", frame, CHANGES[how])
            yield Fault(f"{how} of the residual sum", "talker", frame, 0, point, plant, is_input=True)
        for layer in range(3):
            frame = self.frame(first=1)
            point = f"talker.model.layers.{layer}.self_attn.o_proj"
            plant = function_of(f"talker.model.layers.{layer}.self_attn", "project", frame, None)
            yield Fault("sign of the queries", "talker", frame, 0, point, plant, is_input=True)

    def _stages(self) -> Iterator[Fault]:
        """Text, prompt, the talker's input and its hidden state."""
        yield Fault("another id", "text", 0, 0, "text", other_text)
        for how, change in CHANGES.items():
            yield Fault(how, "prompt", 0, 0, "prompt", on_generator("_embed", in_last_position(change)))
            frame = self.frame(first=1)
            plant = function_on("talker", "embed_frames", frame - 1, change)
            yield Fault(how, "talker", frame, 0, "talker.input", plant)
            frame = self.frame(first=1)
            plant = function_on("talker.model", "step", frame - 1, change)
            yield Fault(how, "talker", frame, 0, "talker.hidden", plant)

    def _prompt(self) -> Iterator[Fault]:
        """The modules that embed the prompt; the first three embed the text that trails it too."""
        for path in ("model.text_embedding", "text_projection.linear_fc1", "text_projection.linear_fc2"):
            for call in (0, 1):
                how = self.how()
                plant = talker_module(f"talker.{path}", call, CHANGES[how])
                yield Fault(how, "prompt", 0, 0, f"talker.{path}", plant, call=call)
        how, path = self.how(), "talker.model.codec_embedding"
        yield Fault(how, "prompt", 0, 0, path, talker_module(path, 0, CHANGES[how]))

    def _handed_over(self) -> Iterator[Fault]:
        """The decoder gets another id than was drawn: its codebook takes something else."""
        for codebook in (0, self.rng.randrange(1, GROUPS)):
            frame = self.frame()
            part = f"rvq_rest.vq.layers.{codebook - 1}" if codebook else "rvq_first.vq.layers.0"
            point = f"decoder.quantizer.{part}._codebook"
            yield Fault("other id", "codec", frame, 0, point, handed_over(frame, codebook), is_input=True)

    def _delivered(self) -> Iterator[Fault]:
        """A sample too few, or one twice."""
        for how in ("sample dropped", "sample twice"):
            for _ in range(2):
                frame = self.frame()
                yield Fault(how, "packetiser", frame, 0, "packetiser", packet_of(frame, how == "sample twice"))


def at_stages(fault: Fault) -> Fault | None:
    """The same fault as a comparison of stage points has to name it; None where that is not certain.

    A last bit may be lost in rounding before the stage's end, and a residual sum or a past is of no module. The codec's
    first frame attends to itself alone, whatever its query and key are.
    """
    if fault.how not in CHANGES or fault.how == "last bit" or fault.is_input:
        return None
    if fault.stage == "codec" and fault.frame == 0 and fault.point.endswith(("q_proj", "k_proj")):
        return None
    if fault.stage == "codec":
        return replace(fault, point=codec_stage_point(fault.point))
    if fault.stage == "predictor":
        return replace(fault, point="predictor.logits")
    if fault.stage == "talker" and fault.point != "talker.input":
        if PREDICTOR in fault.point:
            return replace(fault, point="talker.input")
        return replace(fault, point="talker.logits" if fault.point == "talker.codec_head" else "talker.hidden")
    return replace(fault, point=fault.stage, call=fault.call) if fault.stage == "prompt" else fault


def codec_stage_point(path: str) -> str:
    """The stage point that a module of the codec leads to."""
    part = path.split(".")
    if part[1] in ("quantizer", "pre_conv"):
        return "codec.embed"
    if part[1] == "pre_transformer":
        return "codec.transformer"
    return f"codec.{'upsample' if part[1] == 'upsample' else 'wave'}.{part[2]}"
