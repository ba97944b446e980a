"""What the kernels share: sums in pairs, RMSNorm's factor, exp and log of which every step is rounded as stated.

The device's own exp and log are approximations that neither the interpreter nor torch on a CPU repeats. These are
polynomials (Moshier, Cephes library, single precision) in multiplications and additions, within two roundings of the
exact value, and give the same bits everywhere.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.constexpr_function
def log2(size):
    """Of a power of two."""
    return size.bit_length() - 1


@triton.jit
def rounded(x, dtype: tl.constexpr):
    """float32 x, rounded to the nearest value of ``dtype`` (ties to even), as float32.

    By its bits for bfloat16: the interpreter's own cast only cuts them off.
    """
    if dtype == tl.bfloat16:
        bits = x.to(tl.int32, bitcast=True)
        near = (bits + 0x7FFF + ((bits >> 16) & 1)) & -65536
        x = tl.where(x == x, near.to(tl.float32, bitcast=True), x)
    return x


@triton.jit
def sum_pairs(x, ROWS: tl.constexpr, LANES: tl.constexpr):
    """x [ROWS, LANES] -> the sums [ROWS]: neighbouring lanes are added until one is left."""
    for level in tl.static_range(log2(LANES)):
        x = tl.sum(tl.reshape(x, [ROWS, LANES >> (level + 1), 2]), 2)
    return tl.reshape(x, [ROWS])


@triton.jit
def sum_first_pairs(x, LANES: tl.constexpr, COLUMNS: tl.constexpr):
    """x [LANES, COLUMNS] -> the sums [COLUMNS], over the first axis as ``sum_pairs`` over the last."""
    for level in tl.static_range(log2(LANES)):
        x = tl.sum(tl.reshape(x, [LANES >> (level + 1), 2, COLUMNS]), 1)
    return tl.reshape(x, [COLUMNS])


@triton.jit
def rms_factor(x, row, EPS: tl.constexpr, K: tl.constexpr, LANES: tl.constexpr):
    """1 / sqrt(mean(x[row]^2) + eps), of a row of K values."""
    lane = tl.arange(0, LANES)
    total = tl.zeros([LANES], dtype=tl.float32)
    for start in tl.static_range(0, K, LANES):
        value = tl.load(x + row * K + start + lane, mask=start + lane < K, other=0.0).to(tl.float32)
        total += value * value
    # One value in a tensor, not a scalar: divisions and roots are then rounded alike everywhere.
    mean = tl.div_rn(sum_pairs(tl.reshape(total, [1, LANES]), 1, LANES), tl.full([1], K, tl.float32))
    return tl.div_rn(tl.full([1], 1.0, tl.float32), tl.sqrt_rn(mean + EPS))


@triton.jit
def normed(x, weight, row, at, factor, K: tl.constexpr):
    """x[row, at], scaled and weighted, rounded to the storage's dtype after each: float32."""
    dtype: tl.constexpr = x.dtype.element_ty
    value = tl.load(x + row * K + at, mask=at < K, other=0.0).to(tl.float32)
    scaled = rounded(value * factor, dtype)
    return rounded(tl.load(weight + at, mask=at < K, other=0.0).to(tl.float32) * scaled, dtype)


@triton.jit
def exp(x):
    """e^x, float32; beyond -87 and 88 as at these. NaN stays NaN."""
    x = tl.where(x < -87.0, -87.0, x)
    x = tl.where(x > 88.0, 88.0, x)
    n = tl.floor(x * 1.44269504088896341 + 0.5)
    r = x - n * 0.693359375
    r = r - n * -2.12194440e-4
    y = r * 1.9875691500e-4 + 1.3981999507e-3
    y = y * r + 8.3334519073e-3
    y = y * r + 4.1665795894e-2
    y = y * r + 1.6666665459e-1
    y = y * r + 5.0000001201e-1
    y = y * (r * r) + r + 1.0
    return y * ((n.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def log(x):
    """The natural logarithm of positive normal x, float32."""
    bits = x.to(tl.int32, bitcast=True)
    m = ((bits & 0x007FFFFF) | 0x3F000000).to(tl.float32, bitcast=True)
    small = m < 0.70710678118654752440
    e = ((bits >> 23) - tl.where(small, 127, 126)).to(tl.float32)
    m = tl.where(small, m + m, m) - 1.0
    z = m * m
    y = m * 7.0376836292e-2 + -1.1514610310e-1
    y = y * m + 1.1676998740e-1
    y = y * m + -1.2420140846e-1
    y = y * m + 1.4249322787e-1
    y = y * m + -1.6668057665e-1
    y = y * m + 2.0000714765e-1
    y = y * m + -2.4999993993e-1
    y = y * m + 3.3333331174e-1
    y = y * m * z
    y = y + e * -2.12194440e-4
    y = y - z * 0.5
    return (m + y) + e * 0.693359375
