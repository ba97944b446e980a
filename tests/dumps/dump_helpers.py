"""What several tests of codes need and is no fixture."""

from __future__ import annotations

from ttsctl.core.codes import CodeArray


def changed(codes: CodeArray, frame: int, codebook: int) -> CodeArray:
    """A copy with one id changed."""
    other = codes.copy()
    other[frame, codebook] ^= 1
    return other
