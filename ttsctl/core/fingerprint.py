"""Fingerprints: 64 bits of an array's bytes and their order. Engines compute the same on their device.

The bytes, filled up with zeros to whole words of 8, are little-endian integers. Word i adds ``mix(word) · weight(i)``;
the sum, modulo 2^64, plus SplitMix64 of the number of bytes, is the print. ``mix`` is one to one and so is a product
with an odd weight: a change inside one word always shows. It folds upper bits into lower ones before and after its
multiplication, for a product never carries a bit down: flipped signs of two words would meet in few bits of the sum.
The first shift is not half a word, or the two signs in a word would cancel. ``weight`` is SplitMix64 of the index
(Steele, Lea & Flood, 2014), made odd.
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
    """The print of an array, flattened in C order; shape and dtype are not part of it.

    bfloat16, which numpy has not, is printed as the float32 that it equals.
    """
    raw = np.ascontiguousarray(values).tobytes()
    words = np.frombuffer(raw + bytes(-len(raw) % WORD_BYTES), "<u8")
    total = (mix(words) * weights(len(words))).sum(dtype=np.uint64)
    return (int(total) + length_term(len(raw))) % 2**64


def length_term(count: int) -> int:
    """What the number of bytes adds to a print: SplitMix64 of it."""
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
