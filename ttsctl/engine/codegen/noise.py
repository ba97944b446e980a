"""The noise of a draw: uniforms from a counter, so that they depend on nothing but (seed, frame, group, id).

Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3"), in int64 operations that give the
same bits on every device, in a captured graph, and in Triton (``tl.philox``). Counter (id, group, frame, 0); the key
is the request's seed, low word first; the first of the four words of the result is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF
# As Triton's uint_to_uniform_float: the largest float32 that 2^31 - 1 times it does not round to 1.
_SCALE = 4.6566127342e-10
# A uniform of 0 would be noise without end; the smallest that is not 0 is 4.7e-10.
_LEAST = 1e-10


def philox(seed: Tensor, frame: Tensor, groups: Tensor, ids: int) -> Tensor:
    """seed, frame (B,) int64, groups (G,) int64 -> words (B, G, ids) int64 in 0..2^32 - 1, of ids 0 to ``ids`` - 1."""
    shape = (len(seed), len(groups), ids)
    first = torch.arange(ids, device=seed.device).expand(shape)
    second = groups[None, :, None].expand(shape)
    third = (frame & _WORD)[:, None, None].expand(shape)
    fourth = torch.zeros_like(third)
    low, high = (seed & _WORD)[:, None, None], ((seed >> 32) & _WORD)[:, None, None]
    for number in range(ROUNDS):
        # The product of two words fits into 64 bits, but not into 63: it wraps, and its bits are right all the same.
        one, other = first * _MULTIPLIERS[0], third * _MULTIPLIERS[1]
        first, second = ((other >> 32) & _WORD) ^ second ^ low, other & _WORD
        third, fourth = ((one >> 32) & _WORD) ^ fourth ^ high, one & _WORD
        if number < ROUNDS - 1:
            low, high = (low + _WEYL[0]) & _WORD, (high + _WEYL[1]) & _WORD
    return first


def uniform(words: Tensor) -> Tensor:
    """Words in 0..2^32 - 1, int64 -> uniforms in [0, 1), float32: as Triton makes them of the same words."""
    # The word as a signed 32-bit integer; a negative one is mirrored.
    return torch.where(words >= 1 << 31, _WORD - words, words).float() * _SCALE


def exponential(seed: Tensor, frame: Tensor, groups: Tensor, ids: int) -> Tensor:
    """Exponential noise of rate 1, (B, G, ids) float32: -log of the uniforms."""
    return -uniform(philox(seed, frame, groups, ids)).clamp_(min=_LEAST).log()
