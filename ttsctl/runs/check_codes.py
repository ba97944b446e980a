"""Whether codes from elsewhere fit an engine's checkpoint."""

from __future__ import annotations

from ttsctl.core.codes import CodeArray, code_range
from ttsctl.core.engine import Engine
from ttsctl.core.errors import InputError

_FIX = "the codes do not fit this checkpoint; name theirs with --checkpoint"


def check_fit(engine: Engine, codes: CodeArray, label: str) -> None:
    """InputError unless codes (T, Q) have the engine's number of codebooks and every id is in its codebook.

    ``label`` names the codes in the error. With ``determinism.clamp_codes`` every id is accepted.
    """
    info = engine.info
    if codes.ndim != 2 or codes.shape[1] != info.num_codebooks:
        what = f"{label}: codes of shape {codes.shape}; the checkpoint has {info.num_codebooks} codebooks"
        raise InputError(what, _FIX)
    found = code_range(codes, info.codebook_size)
    if found.first is None or engine.config.determinism.clamp_codes:
        return
    frame, codebook, value = found.first
    raise InputError(
        f"{label}: id {value} at frame {frame}, codebook {codebook} is outside 0..{info.codebook_size - 1} "
        f"({found.out_of_range_count} such ids)",
        _FIX,
    )
