"""The code predictor: groups 1..15 of one frame, one after another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsctl.engine.cpu.row_linear import RowLinear
from ttsctl.engine.model.cached_stack import CachedStack
from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.layer_steps import LayerSteps
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
            RowLinear(sizes.predictor.hidden_size, sizes.predictor_vocab_size, bias=False)
            for _ in range(sizes.num_code_groups - 1)
        )
        same_width = sizes.predictor.hidden_size == sizes.talker.hidden_size
        self.small_to_mtp_projection = (
            nn.Identity() if same_width else RowLinear(sizes.talker.hidden_size, sizes.predictor.hidden_size)
        )

    @property
    def positions(self) -> int:
        """Positions of a frame: the talker's hidden state, group 0, and every other group but the last."""
        return self.sizes.num_code_groups

    def new_cache(self, batch: int) -> FixedCache:
        """Room for one frame of each sequence; the next frame writes over it."""
        return self.model.new_cache(batch, self.positions)

    def begin(self, hidden: Tensor, group0: Tensor, cache: FixedCache, steps: LayerSteps) -> Tensor:
        """Talker hidden states and group-0 embeddings, each (B, talker hidden) -> logits (B, vocab) of group 1."""
        both = torch.stack([hidden, group0], 1).flatten(0, 1)
        at = cache.places[:2].repeat(len(hidden))
        out = self._run(both, cache, at, steps).view(len(hidden), 2, -1)
        return steps.linear(self.lm_head[0], out[:, 1])

    def step(self, group: int, embedded: Tensor, cache: FixedCache, steps: LayerSteps) -> Tensor:
        """The embeddings (B, talker hidden) of the ids of ``group`` (1..14) -> logits (B, vocab) of the next group."""
        at = cache.places[group + 1 : group + 2].repeat(len(embedded))
        out = self._run(embedded, cache, at, steps)
        return steps.linear(self.lm_head[group], out)

    def _run(self, x: Tensor, cache: FixedCache, at: Tensor, steps: LayerSteps) -> Tensor:
        return self.model.step(steps.linear(self.small_to_mtp_projection, x), cache, at, self.positions, steps)
