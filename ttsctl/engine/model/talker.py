"""The talker: from text and codes to group-0 logits and a hidden state for the predictor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ttsctl.engine.cpu.row_linear import RowLinear
from ttsctl.engine.model.cached_stack import CachedStack
from ttsctl.engine.model.fixed_cache import FixedCache
from ttsctl.engine.model.predictor import CodePredictor
from ttsctl.engine.model.sizes import TalkerSizes


class TextProjection(nn.Module):
    """fc2(silu(fc1(x))): from the text embedding's width to the talker's."""

    def __init__(self, text_hidden_size: int, hidden_size: int) -> None:
        super().__init__()
        self.linear_fc1 = nn.Linear(text_hidden_size, text_hidden_size)
        self.linear_fc2 = nn.Linear(text_hidden_size, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_fc2(F.silu(self.linear_fc1(x)))


class TalkerStack(CachedStack):
    """The talker's layers with its two embeddings."""

    def __init__(self, sizes: TalkerSizes) -> None:
        super().__init__(sizes.talker)
        self.codec_embedding = nn.Embedding(sizes.codec_vocab_size, sizes.talker.hidden_size)
        self.text_embedding = nn.Embedding(sizes.text_vocab_size, sizes.text_hidden_size)


class Talker(nn.Module):
    """Talker and code predictor, under the tensor names of the released checkpoints."""

    def __init__(self, sizes: TalkerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.model = TalkerStack(sizes)
        self.text_projection = TextProjection(sizes.text_hidden_size, sizes.talker.hidden_size)
        self.codec_head = RowLinear(sizes.talker.hidden_size, sizes.codec_vocab_size, bias=False)
        self.code_predictor = CodePredictor(sizes)

    def embed_text(self, ids: Tensor) -> Tensor:
        """Text ids (n,) int64 -> (n, hidden)."""
        return self.text_projection(self.model.text_embedding(ids))

    def embed_codec(self, ids: Tensor) -> Tensor:
        """Ids of the codec vocabulary (n,) int64 -> (n, hidden)."""
        return self.model.codec_embedding(ids)

    def embed_frames(self, codes: Tensor) -> Tensor:
        """Frames of codes (n, groups) int64 -> the sum of each one's embeddings, (n, hidden)."""
        embeddings = [self.model.codec_embedding(codes[:, 0])]
        embeddings += [table(codes[:, k + 1]) for k, table in enumerate(self.code_predictor.model.codec_embedding)]
        return torch.stack(embeddings).sum(0)

    def prefill(self, x: Tensor, cache: FixedCache, sequence: int) -> Tensor:
        """A prompt x (n, hidden) -> its last hidden state (1, hidden), after the final norm.

        ``codec_head`` of it are the group-0 logits (1, vocab).
        """
        return self.model.prefill(x, cache, sequence)[-1:]


class Codegen(nn.Module):
    """The root whose tensor names start with ``talker.``, as in model.safetensors."""

    def __init__(self, sizes: TalkerSizes) -> None:
        super().__init__()
        self.talker = Talker(sizes)
