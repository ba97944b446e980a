"""What an explanation is made of: the two sides, their residual on one time line, and findings with evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import FRAME_SAMPLES

Float = NDArray[np.float64]
Index = NDArray[np.int64]
Value = float | int | str | bool | list[int] | None

# What fp32 kernels of other shapes may do to the same sum: measured between thread counts, packet sizes and one call.
ROUNDING_PEAK_SHARE = 5e-4
ROUNDING_MEAN = 2e-5


@dataclass(frozen=True)
class Side:
    """One decode. ``pcm (N,) float32``; ``packet_samples``: how many of them each packet gave, zeros left out.

    ``codes_sha256`` names the codes it was decoded from, None if they are not known. ``pops_s``: its pops, in s.
    """

    name: str
    pcm: PcmArray
    packet_samples: tuple[int, ...]
    codes_sha256: str | None = None
    pops_s: tuple[float, ...] = ()

    @property
    def starts(self) -> Index:
        """First sample of each packet, (P,)."""
        return np.cumsum([0, *self.packet_samples[:-1]]) if self.packet_samples else np.zeros(0, np.int64)

    @property
    def seams(self) -> Index:
        """First sample after each seam, (P - 1,): none for one packet."""
        return self.starts[1:]


@dataclass(frozen=True)
class Jump:
    """At sample ``in_reference`` of the reference, ``in_test`` of the test, the test lost (< 0) or gained samples."""

    in_reference: int
    in_test: int
    samples: int


@dataclass(frozen=True)
class Residual:
    """Test minus reference on the test's time line, once what was lost or added is taken out.

    ``values (N,) float64``, NaN where the test has no counterpart. ``method``: how the lag was found. ``end``:
    samples that the test has beyond the reference's end (negative: lacks). ``peak``: of the reference.
    """

    values: Float
    counterpart: Index
    jumps: tuple[Jump, ...]
    end: int
    coverage: float
    method: str
    peak: float

    @property
    def largest(self) -> float:
        known = np.abs(self.values[~np.isnan(self.values)])
        return float(known.max()) if len(known) else float("nan")

    @property
    def mean(self) -> float:
        known = np.abs(self.values[~np.isnan(self.values)])
        return float(known.mean()) if len(known) else float("nan")

    @property
    def bound(self) -> float:
        """The largest difference that may be rounding, full scale 1."""
        return ROUNDING_PEAK_SHARE * self.peak

    @property
    def over_bound(self) -> Index:
        """Samples of the test whose difference is more than rounding."""
        return np.flatnonzero(np.abs(np.nan_to_num(self.values)) > self.bound)

    @property
    def is_rounding(self) -> bool:
        return bool(self.largest <= self.bound and self.mean <= ROUNDING_MEAN)


@dataclass(frozen=True)
class Finding:
    """One explanation, tested: whether it holds, in words, and the figures that decided it."""

    name: str
    holds: bool
    words: str
    evidence: Mapping[str, Value] = field(default_factory=dict)


def frames_of(samples: float) -> float:
    return samples / FRAME_SAMPLES
