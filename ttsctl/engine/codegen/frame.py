"""One frame: the talker's step, 16 draws and the predictor's 15 steps, as one function of device tensors.

It is called eagerly or captured as a CUDA graph. Every call issues the same operations on the same shapes; nothing of
a request comes from the host or goes to it. Traces, grafts and interventions run the same function eagerly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ttsctl.engine.codegen.draw_steps import Draw, Drawn, DrawSteps
from ttsctl.engine.codegen.draws import DrawShape, Group0Rules, Noise, PhiloxNoise
from ttsctl.engine.codegen.frame_state import FrameState
from ttsctl.engine.codegen.sampling import Sampler, SamplingPlan
from ttsctl.engine.model.layer_steps import LayerSteps
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.probes import CodegenProbes


@dataclass(frozen=True, eq=False)
class Watch:
    """What looks at a frame's values: a request's probes, its plan, and the frame's number, for their marks alone.

    Values that probes get are never written to afterwards. Of a batch they look at one ``sequence``.
    """

    probes: CodegenProbes
    plan: SamplingPlan
    frame: int
    sequence: int


class FrameFunction:
    """The frame of a batch under one shape of draws. Holds no request: every call gets the state it works on.

    After a prompt: ``draw_group0``, ``predict``. Every later frame: ``advance``, ``draw_group0``, ``predict``.
    """

    def __init__(
        self,
        talker: Talker,
        rules: Group0Rules,
        plan: SamplingPlan,
        steps: LayerSteps,
        draws: DrawSteps,
    ) -> None:
        self.talker = talker
        self.rules = rules
        self.steps = steps
        self.draws = draws
        self.talker_shape = DrawShape.of([plan.talker])
        self.predictor_shape = DrawShape.of([plan.predictor])
        device, groups = talker.codec_head.weight.device, talker.sizes.num_code_groups
        self._groups = torch.arange(groups, device=device)

    def advance(self, state: FrameState, reach: int, watch: Watch | None = None) -> None:
        """The talker's step from the newest frame and the next text: ``hidden`` and ``logits`` of the next frame.

        ``reach`` holds the position (see ``fixed_cache``); it decides shapes.
        """
        if watch is not None:
            watch.probes.at("talker", watch.frame)
        row = torch.minimum(state.frame - 1, state.last_text)
        text = state.texts.gather(1, row[:, None, None].expand(-1, 1, state.texts.shape[2]))[:, 0]
        # A copy, as probes keep what modules take, and the next draw writes over ``code``.
        x = _seen_by(watch, "talker.input", self.talker.embed_frames(state.code.clone()) + text)
        hidden = self.talker.model.step(x, state.talker_cache, state.position, reach, self.steps)
        hidden = _seen_by(watch, "talker.hidden", hidden)
        state.hidden.copy_(hidden)
        state.logits.copy_(_seen_by(watch, "talker.logits", self.steps.linear(self.talker.codec_head, hidden)))
        state.position.add_(1)

    def draw_group0(self, state: FrameState, noise: Noise | None, watch: Watch | None = None) -> None:
        """The frame's group 0 to ``code``; ``ended_at`` if it is the end token."""
        if watch is not None:
            watch.probes.at("draw", watch.frame)
        noise_of_it = next(self._noise(noise, self.talker_shape, state, self._groups[:1], state.logits.shape[1]))
        drawn = self.draws.draw(
            Draw(
                logits=state.logits,
                seen=state.seen,
                shape=self.talker_shape,
                values=state.talker_sampler,
                seed=state.seed,
                frame=state.frame,
                group=0,
                table=self.talker.model.codec_embedding.weight,
                rules=self.rules,
                noise=noise_of_it,
            )
        )
        ids = _drawn(watch, drawn, watch.plan.talker if watch else None)
        state.code[:, 0] = ids
        state.seen.logical_or_(self.rules.ids == ids[:, None])
        state.ended_at.copy_(
            torch.where(ids == self.rules.end_token, state.ended_at.minimum(state.frame), state.ended_at)
        )

    def predict(self, state: FrameState, noise: Noise | None, watch: Watch | None = None) -> None:
        """Groups 1 to 15 after group 0, one after another; the frame to ``codes``, and the count moves on."""
        predictor, groups = self.talker.code_predictor, len(self._groups)
        shape, cache, vocabulary = self.predictor_shape, state.predictor_cache, self.talker.sizes.predictor_vocab_size
        tables: Any = predictor.model.codec_embedding
        drawn = [state.code[:, 0].clone()]
        noises = self._noise(noise, shape, state, self._groups[1:], vocabulary)
        embedded: Tensor | None = None
        # The rules of a penalty count the ids of groups 1 on.
        seen = torch.zeros((state.batch, vocabulary), dtype=torch.bool, device=state.code.device)
        for group in range(1, groups):
            if watch is not None:
                watch.probes.at("predictor", watch.frame, group)
            if group == 1:
                group0 = self.talker.embed_codec(drawn[0])
                logits = predictor.begin(state.hidden, group0, cache, self.steps)
            else:
                embedded = tables[group - 2](drawn[-1]) if embedded is None else embedded
                logits = predictor.step(group - 1, embedded, cache, self.steps)
            logits = _seen_by(watch, "predictor.logits", logits)
            if watch is not None:
                watch.probes.at("draw", watch.frame, group)
            result = self.draws.draw(
                Draw(
                    logits=logits,
                    seen=seen,
                    shape=shape,
                    values=state.predictor_sampler,
                    seed=state.seed,
                    frame=state.frame,
                    group=group,
                    table=tables[group - 1].weight,
                    rules=None,
                    noise=next(noises),
                )
            )
            ids = _drawn(watch, result, watch.plan.predictor if watch else None)
            # An id that probes put in the place of the drawn one has another embedding.
            embedded = result.embedded if watch is None else None
            if shape.penalises:
                seen = seen | (self.rules.ids[:vocabulary] == ids[:, None])
            drawn.append(ids)
        self._finish(state, torch.stack(drawn, 1))

    def _noise(
        self, noise: Noise | None, shape: DrawShape, state: FrameState, groups: Tensor, ids: int
    ) -> Iterator[Tensor | None]:
        """The noise of some groups' draws, group after group; None where the best id is taken, or the draw has it."""
        own = self.draws.has_noise and isinstance(noise, PhiloxNoise)
        if not shape.draws or noise is None or own:
            return iter([None] * len(groups))
        return noise.groups(state.seed, state.frame, groups, ids)

    @staticmethod
    def _finish(state: FrameState, frame: Tensor) -> None:
        """The frame (B, groups) to ``code`` and to its place in ``codes``."""
        state.code.copy_(frame)
        rows = torch.arange(state.batch, device=frame.device) * state.codes.shape[1] + state.frame
        state.codes.flatten(0, 1).index_copy_(0, rows, frame)
        state.frame.add_(1)


def _seen_by(watch: Watch | None, point: str, value: Tensor) -> Tensor:
    return value if watch is None else watch.probes.value(point, value)


def _drawn(watch: Watch | None, drawn: Drawn, sampler: Sampler | None) -> Tensor:
    """The ids (B,) to take: those drawn, but for what probes put in the place of their own."""
    ids = drawn.ids
    if watch is None or sampler is None:
        return ids
    own = watch.sequence
    taken = watch.probes.drawn(ids[own], drawn.logits[own], drawn.scores[own], sampler)
    return taken[None] if len(ids) == 1 else torch.cat([ids[:own], taken[None], ids[own + 1 :]])
