"""The code predictor: groups 1..15 of one frame, one after another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsctl.engine.model.layers import CachedStack, KVState
from ttsctl.engine.model.sizes import TalkerSizes


class PredictorStack(CachedStack):
    """The predictor's layers with one embedding for each of groups 1..15, in the talker's width."""

    def __init__(self, sizes: TalkerSizes) -> None:
        super().__init__(sizes.predictor)
        self.codec_embedding = nn.ModuleList(
            nn.Embedding(sizes.predictor_vocab_size, sizes.talker.hidden_size) for _ in range(sizes.num_code_groups - 1)
        )


class CodePredictor(nn.Module):
    """Starts from the talker's hidden state and the embedding of group 0; every other group has its own head."""

    small_to_mtp_projection: nn.Module

    def __init__(self, sizes: TalkerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.model = PredictorStack(sizes)
        self.lm_head = nn.ModuleList(
            nn.Linear(sizes.predictor.hidden_size, sizes.predictor_vocab_size, bias=False)
            for _ in range(sizes.num_code_groups - 1)
        )
        same_width = sizes.predictor.hidden_size == sizes.talker.hidden_size
        self.small_to_mtp_projection = (
            nn.Identity() if same_width else nn.Linear(sizes.talker.hidden_size, sizes.predictor.hidden_size)
        )

    def new_state(self) -> KVState:
        """State for one frame; ``begin`` reuses it for the next frame."""
        weight = self.model.norm.weight
        return KVState(self.sizes.predictor, self.sizes.num_code_groups + 1, weight.device, weight.dtype)

    def begin(self, hidden: Tensor, group0: Tensor, state: KVState) -> Tensor:
        """Talker hidden state and group-0 embedding, each (talker hidden,) -> logits (vocab,) of group 1."""
        state.length = 0
        return self._logits(torch.stack([hidden, group0]), state, 0)

    def step(self, group: int, code: Tensor, state: KVState) -> Tensor:
        """The drawn id of ``group`` (1..14), int64 scalar -> logits (vocab,) of the next group."""
        return self._logits(self.model.codec_embedding[group - 1](code)[None], state, group)

    def _logits(self, x: Tensor, state: KVState, head: int) -> Tensor:
        return self.lm_head[head](self.model.run(self.small_to_mtp_projection(x), state)[-1])
