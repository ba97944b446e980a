"""From whatever array a file held to codes (T, Q) int64, or a clear no."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import NUM_CODEBOOKS, CodeArray
from ttsctl.core.errors import InputError

MAX_CODEBOOKS = 64
# Codebooks a frame in the codecs that language models speak: SNAC 3, EnCodec 2..32, Mimi 8..32, DAC 9, 12 or 32,
# the 25-Hz tokenizer 1, the 12-Hz tokenizer 16.
USUAL_CODEBOOKS = frozenset({1, 2, 3, 4, 8, 9, 12, 16, 32})
TRANSPOSE = "transpose it or re-dump with 'ttsctl dump-codes'"


def to_codes(array: NDArray[Any], where: str, num_codebooks: int | None = None) -> CodeArray:
    """Integer array (T, Q) or (1, T, Q) -> a C-ordered int64 copy (T, Q).

    ``num_codebooks`` is Q where it is known, as from a meta; ``where`` opens the message of an InputError: wrong
    dtype, dimensions or Q, no frames, ids beyond int64, or an array that looks transposed.
    """
    if array.dtype.kind not in "iu":
        raise InputError(f"{where}: codes: expected an integer array, got {array.dtype}", "store the code ids as int64")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise InputError(
            f"{where}: codes: expected (T, Q) or (1, T, Q), got {array.shape}", "store one request a file as (T, Q)"
        )
    if array.size == 0:
        raise InputError(f"{where}: codes: expected at least one frame, got {array.shape}", "dump the codes again")
    _check_orientation(array.shape[0], array.shape[1], where, num_codebooks)
    if array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise InputError(f"{where}: codes: {int(array.max())} does not fit int64", "store the code ids as int64")
    return np.array(array, dtype=np.int64, order="C")


def _check_orientation(rows: int, columns: int, where: str, num_codebooks: int | None) -> None:
    expected = _transposed(rows, columns) if num_codebooks is None else num_codebooks
    if expected is None or columns == expected:
        return
    fix = TRANSPOSE if rows == expected or num_codebooks is None else "check that the file belongs to its meta"
    wanted = f"(T, {expected})" if expected else f"(T, Q) with Q up to {MAX_CODEBOOKS}"
    raise InputError(f"{where}: codes: expected {wanted}, got ({rows}, {columns}){_looks(fix)}", fix)


def _looks(fix: str) -> str:
    return ", which looks transposed" if fix == TRANSPOSE else ""


def _transposed(rows: int, columns: int) -> int | None:
    """The Q that (rows, columns) seems to have in its first place; 0 for no shape of codes at all; None if fine.

    A short dump is legitimate: (4, 16) is 4 frames. What gives a transposed array away is a last dimension that no
    codec has (above 64), or a first that is a usual number of codebooks beside a longer last one that is not.
    The 16 of this codec weighs more: (16, n) is taken as transposed unless n is a smaller usual number, as (16, 8).
    """
    if columns > MAX_CODEBOOKS:
        return rows if rows <= MAX_CODEBOOKS else 0
    if columns == NUM_CODEBOOKS:
        return None
    if rows == NUM_CODEBOOKS:
        return None if columns < rows and columns in USUAL_CODEBOOKS else rows
    if 1 < rows < columns and rows in USUAL_CODEBOOKS and columns not in USUAL_CODEBOOKS:
        return rows
    return None
