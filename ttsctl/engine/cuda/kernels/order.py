"""The order of every sum, which kernel and twin share: how many lanes run side by side over the summed axis.

Lane i adds the products i, i + lanes, i + 2 · lanes, ... one after another; then neighbouring lanes are added in pairs
until one is left. The numbers follow from the sizes of the network alone.
"""

from __future__ import annotations

# The most lanes of a product with a weight: 256 lanes of bfloat16 are 512 bytes of a row, a warp's widest load.
LINEAR_LANES = 256
# A program that owns a whole head holds head_dim rows at once, so that fewer lanes fit into its registers.
HEAD_LANES = 64
# Lanes of the sum of squares over one row.
NORM_LANES = 1024
# Cache places that attention takes at once.
PLACES = 32


def lanes(size: int, most: int) -> int:
    """The lanes of a sum over ``size`` values: the next power of two, at most ``most``."""
    return min(most, power_of_two(size))


def power_of_two(size: int) -> int:
    """The least power of two that is not below ``size``."""
    return 1 << (size - 1).bit_length()
