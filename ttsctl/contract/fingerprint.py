"""Fingerprints: 64 bits of an array's bits and their order. This is the plain version; engines compute the same on
their device.

Element i of n, as the signed integer b of its bits (widened to 64), adds ``mix(b) · weight(i)``; the sum, modulo 2^64,
plus SplitMix64 of n, is the print. ``mix`` is b · K folded with its own upper half, so that two flipped sign bits,
whose integers differ by the same power of two, do not meet in the low bits. ``weight`` is SplitMix64 of the index
(Steele, Lea & Flood, 2014), made odd.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB

Prints64 = NDArray[np.uint64]


def fingerprint(values: NDArray[np.generic]) -> int:
    """The print of an array of 2, 4 or 8-byte elements, flattened in C order; shape and dtype are not part of it."""
    flat = np.ascontiguousarray(values).reshape(-1)
    bits = flat.view(f"<i{flat.itemsize}").astype(np.int64).view(np.uint64)
    with np.errstate(over="ignore"):
        total = (mix(bits) * weights(len(bits))).sum(dtype=np.uint64) + length_term(len(bits))
    return int(total)


def length_term(count: int) -> np.uint64:
    """What the number of elements adds to a print: SplitMix64 of it."""
    return np.uint64(_splitmix(np.uint64(count)))


def mix(bits: Prints64) -> Prints64:
    """b · K, then b ^ (b >> 32): high bits reach the low ones."""
    with np.errstate(over="ignore"):
        product = bits * np.uint64(GOLDEN)
    return product ^ (product >> np.uint64(32))


def weights(count: int) -> Prints64:
    """Odd weights (count,) uint64, the same for every array."""
    return _splitmix(np.arange(1, count + 1, dtype=np.uint64)) | np.uint64(1)


def _splitmix(index: NDArray[np.uint64] | np.uint64) -> Prints64:
    with np.errstate(over="ignore"):
        z = np.asarray(index * np.uint64(GOLDEN), np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    return z ^ (z >> np.uint64(31))
