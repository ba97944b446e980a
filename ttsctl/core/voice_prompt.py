"""What a voice that is cloned gives to every request: the codes and the x-vector of its reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import CodeArray, codes_sha256


@dataclass(frozen=True)
class PromptHashes:
    """sha256 in hex of what a cloned voice was made of; ``codes`` is None where only the x-vector is used."""

    reference: str
    codes: str | None
    x_vector: str
    ref_text: str | None


@dataclass(frozen=True, eq=False)
class VoicePrompt:
    """The prompt of one voice.

    codes (R, Q) int64, 12.5 Hz, None where only the x-vector is used. x_vector (D,) float32. ``ref_text``: what the
    reference says, None without codes. ``reference_sha256``: of the bytes of the audio file.
    """

    codes: CodeArray | None
    x_vector: NDArray[np.float32]
    ref_text: str | None
    reference_sha256: str

    @cached_property
    def hashes(self) -> PromptHashes:
        """Over the reference's file, ``core.codes.code_bytes`` and the little-endian float32 x-vector."""
        vector = np.ascontiguousarray(self.x_vector).astype("<f4", copy=False).tobytes()
        return PromptHashes(
            reference=self.reference_sha256,
            codes=None if self.codes is None else codes_sha256(self.codes),
            x_vector=hashlib.sha256(vector).hexdigest(),
            ref_text=None if self.ref_text is None else hashlib.sha256(self.ref_text.encode()).hexdigest(),
        )

    @property
    def frames(self) -> int:
        """Frames of the reference that stand before the text's own; 0 where only the x-vector is used."""
        return 0 if self.codes is None else len(self.codes)


@dataclass(frozen=True)
class PromptUse:
    """What a cloned voice cost one request, in wall ms from its start; both are inside ``ttfa_ms``.

    prompt_ms: to read or encode the reference, close to 0 where ``prompt_kept``. prime_ms: to decode its codes before
    the first packet, close to 0 where ``state_kept``, and 0 where only the x-vector is used.
    """

    hashes: PromptHashes
    frames: int
    prompt_ms: float
    prime_ms: float
    prompt_kept: bool
    state_kept: bool
