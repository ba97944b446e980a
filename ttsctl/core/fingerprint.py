"""Fingerprints: 64 bits over an array's bytes and their order. Engines compute the same bits on their device.

The bytes are padded with zeros to whole words of 8 and read as little-endian integers. Word i adds
``mix(word) · weight(i)``. The fingerprint is that sum, modulo 2^64, plus SplitMix64 of the number of bytes. ``mix`` is
a bijection, and so is the product with an odd weight: a change inside one word always shows. ``mix`` folds upper bits
into lower ones before and after its multiplication, because a product never carries a bit downwards: two words with
flipped signs would otherwise differ in few bits of the sum. The first shift is not half a word, because the two signs
in a word would then cancel. ``weight`` is SplitMix64 of the index (Steele, Lea & Flood, 2014), made odd.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0x9E3779B97F4A7C15
WORD_BYTES = 8
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
FIRST_SHIFT, SECOND_SHIFT = 29, 32

Words = NDArray[np.uint64]


def fingerprint(values: NDArray[np.generic]) -> int:
    """The fingerprint of an array, flattened in C order; shape and dtype are not part of it.

    numpy has no bfloat16: such values are fingerprinted as the float32 that they equal.
    """
    raw = np.ascontiguousarray(values).tobytes()
    words = np.frombuffer(raw + bytes(-len(raw) % WORD_BYTES), "<u8")
    total = (mix(words) * weights(len(words))).sum(dtype=np.uint64)
    return (int(total) + length_term(len(raw))) % 2**64


def length_term(count: int) -> int:
    """What the number of bytes adds to a fingerprint: SplitMix64 of it."""
    return int(_splitmix(np.array([count], np.uint64))[0])


def mix(words: Words) -> Words:
    """Folded, times an odd constant, folded again: a new array."""
    mixed = words >> np.uint64(FIRST_SHIFT)
    mixed ^= words
    mixed *= np.uint64(GOLDEN)
    mixed ^= mixed >> np.uint64(SECOND_SHIFT)
    return mixed


def weights(count: int) -> Words:
    """Odd weights (count,) uint64, the same for every array."""
    return _splitmix(np.arange(1, count + 1, dtype=np.uint64)) | np.uint64(1)


def _splitmix(index: Words) -> Words:
    z = index * np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))
