"""The state of a batch of requests between frames: device tensors of fixed shapes, written in place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ttsctl.engine.codegen.draws import SamplerValues
from ttsctl.engine.codegen.sampling import SamplingPlan
from ttsctl.engine.model.fixed_cache import FixedCache, reach_of
from ttsctl.engine.model.talker import Talker

# No frame: an end that was not reached.
NEVER = 2**62


@dataclass(eq=False)
class FrameState:
    """B requests that are spoken together. The caller owns it; nothing in it is replaced, but a cache that grows.

    position, frame (B,) int64: the place of the next talker input, and the frame that is made. hidden (B, hidden) and
    logits (B, vocab): the talker's last step. seen (B, vocab) bool: group-0 ids so far. texts (B, N, hidden): the text
    embedded beforehand, its last row for all frames after it; last_text (B,) int64 is that row. code (B, groups) int64:
    the newest frame; codes (B, capacity, groups) int64: all. ended_at (B,) int64: the frame whose group 0 was the end
    token, ``NEVER`` before. seed (B,) int64.
    """

    talker_cache: FixedCache
    predictor_cache: FixedCache
    position: Tensor
    frame: Tensor
    hidden: Tensor
    logits: Tensor
    seen: Tensor
    texts: Tensor
    last_text: Tensor
    code: Tensor
    codes: Tensor
    ended_at: Tensor
    seed: Tensor
    talker_sampler: SamplerValues
    predictor_sampler: SamplerValues

    @classmethod
    def new(cls, talker: Talker, batch: int, positions: int, frames: int, texts: int) -> FrameState:
        """Room for ``positions`` talker inputs, ``frames`` frames and ``texts`` text rows of each of ``batch``."""
        sizes, weight = talker.sizes, talker.codec_head.weight
        device, groups = weight.device, sizes.num_code_groups

        def integers(*shape: int) -> Tensor:
            return torch.zeros((batch, *shape), dtype=torch.int64, device=device)

        return cls(
            talker_cache=talker.model.new_cache(batch, positions),
            predictor_cache=talker.code_predictor.new_cache(batch),
            position=integers(),
            frame=integers(),
            hidden=weight.new_zeros((batch, sizes.talker.hidden_size)),
            logits=weight.new_zeros((batch, sizes.codec_vocab_size)),
            seen=torch.zeros((batch, sizes.codec_vocab_size), dtype=torch.bool, device=device),
            texts=weight.new_zeros((batch, texts, sizes.talker.hidden_size)),
            last_text=integers(),
            code=integers(groups),
            codes=integers(frames, groups),
            ended_at=integers() + NEVER,
            seed=integers(),
            talker_sampler=SamplerValues.new(batch, device),
            predictor_sampler=SamplerValues.new(batch, device),
        )

    @property
    def batch(self) -> int:
        return len(self.frame)

    def begin(self, sequence: int, seed: int | None, plan: SamplingPlan, texts: Tensor) -> None:
        """Make one place of the batch ready for a request: its settings and embedded texts (n, hidden)."""
        self.position[sequence] = 0
        self.frame[sequence] = 0
        self.seen[sequence] = False
        self.ended_at[sequence] = NEVER
        self.seed[sequence] = 0 if seed is None else seed
        self.talker_sampler.set(sequence, plan.talker)
        self.predictor_sampler.set(sequence, plan.predictor)
        self.texts[sequence, : len(texts)] = texts
        self.last_text[sequence] = len(texts) - 1

    def reach_for(self, positions: int) -> int:
        """The reach of attention that holds ``positions``; a cache that does not is replaced by a larger one.

        Only for eager frames: a graph's cache is as large as it will get.
        """
        reach = reach_of(positions)
        if reach > self.talker_cache.capacity:
            self.talker_cache = self.talker_cache.grown(reach)
        return reach

    def spoken_to(self, sequence: int, hidden: Tensor, logits: Tensor, positions: int) -> None:
        """The prompt has run: its last hidden state (hidden,), its logits (vocab,), and how many positions it took."""
        self.hidden[sequence] = hidden
        self.logits[sequence] = logits
        self.position[sequence] = positions
