"""A checkpoint of near-ties: the built-in, where many draws are between two ids that rounding alone can tell apart.

In the heads of the codebooks ``tied`` (0 is the talker's, the others the predictor's) row 2i + 1 is row 2i with every
weight moved by about one part in a million. Whichever of the two is best, the other is second, and the gap between
them is as small as the last bits of the logits. Embeddings stay as they are, so a flip leads to other codes after it.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from ttsctl.engine.model.build_builtin import SEED
from ttsctl.engine.model.checkpoint import BUILTIN
from ttsctl.engine.model.random_configs import CODEBOOK
from ttsctl.engine.model.random_weights import uniform

TIED = (0, 4, 9, 15)
# The best logits are about 13, where float32 has steps of 1e-6: one or two steps decide.
GAP = 1.5e-6


def write_near_tie(folder: Path, seed: int = 0, tied: tuple[int, ...] = TIED, gap: float = GAP) -> Path:
    """Write the checkpoint into ``folder`` in the official layout, float32, about 8 MB; the same bytes for a seed.

    ``gap`` is the standard deviation of the gaps between twins, in logits. Returns ``folder``.
    """
    shutil.copytree(BUILTIN, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("corpus.txt"))
    # Released weights are bfloat16, which could not tell twins apart.
    weights = {name: tensor.float() for name, tensor in load_file(BUILTIN / "model.safetensors").items()}
    for codebook in tied:
        head = weights[head_name(codebook)]
        first = head[0:CODEBOOK:2]
        # Hidden states are of unit size after the final norm, so this deviation of a weight gives that of a gap.
        moved = uniform(f"near_tie/{seed}/{codebook}", tuple(first.shape), gap / math.sqrt(first.shape[1]), SEED)
        head[1:CODEBOOK:2] = first + moved
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def head_name(codebook: int) -> str:
    """The tensor whose rows score the ids of a codebook."""
    if codebook == 0:
        return "talker.codec_head.weight"
    return f"talker.code_predictor.lm_head.{codebook - 1}.weight"


def twin(code: int) -> int:
    """The id whose row is nearly that of ``code``."""
    return code ^ 1
