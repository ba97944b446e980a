"""What explanations are made of: the two decodes, and findings with the figures that decided them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import WithJsonSchema

from ttsctl.core.audio import PcmArray

Float = NDArray[np.float64]
Index = NDArray[np.int64]
Value = float | int | str | bool | list[int] | None
# Each explanation has figures of its own, so the schema of summary.json promises no more than an object.
Evidence = Annotated[Mapping[str, Value], WithJsonSchema({"additionalProperties": True, "type": "object"})]


@dataclass(frozen=True)
class Side:
    """One of two decodes that are compared.

    pcm (N,) float32. packet_samples: how many samples each packet gave, without packets that gave none. codes_sha256:
    of the codes that were decoded, None if it is not known. pops_s: times of its pops, in s.
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
        """First sample after each seam, (P - 1,); no seam for a single packet."""
        return self.starts[1:]


@dataclass(frozen=True)
class Finding:
    """One explanation that was tested: whether it holds, in words, and the figures that decided it."""

    name: str
    holds: bool
    words: str
    evidence: Evidence
