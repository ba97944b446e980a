"""Check the array that a file held and turn it into codes (T, Q) int64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsctl.core.codes import NUM_CODEBOOKS, CodeArray
from ttsctl.core.errors import InputError

MAX_CODEBOOKS = 64
MAX_IDS = 2**24  # 128 MiB as int64: 23 hours of speech with 16 ids a frame
# Codebooks a frame of codecs in use with language models: SNAC 3, EnCodec 2..32, Mimi 8..32, DAC 9, 12 or 32,
# the 25-Hz tokenizer 1, the 12-Hz tokenizer 16.
USUAL_CODEBOOKS = frozenset({1, 2, 3, 4, 8, 9, 12, 16, 32})
TRANSPOSE = "transpose it or re-dump with 'ttsctl dump-codes'"


def to_codes(array: NDArray[Any], where: str, num_codebooks: int | None = None) -> CodeArray:
    """Integer array (T, Q) or (1, T, Q) -> a C-ordered int64 copy (T, Q).

    ``num_codebooks``: the Q to expect, None if it is not known; ``where``: the start of an error's message. InputError
    for another dtype, other dimensions or another Q, no frames, more than MAX_IDS ids, ids beyond int64, or an array
    that looks transposed.
    """
    if array.dtype.kind not in "iu":
        raise InputError(f"{where}: codes: expected an integer array, got {array.dtype}", "store the code ids as int64")
    check_count(array.size, where)
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


def check_count(ids: int, where: str) -> None:
    """InputError for more than MAX_IDS."""
    if ids > MAX_IDS:
        raise InputError(f"{where}: codes: expected at most {MAX_IDS:,} ids, got {ids:,}", "store one request a file")


def _check_orientation(rows: int, columns: int, where: str, num_codebooks: int | None) -> None:
    expected = _transposed_codebooks(rows, columns) if num_codebooks is None else num_codebooks
    if expected is None or columns == expected:
        return
    fix = TRANSPOSE if rows == expected or num_codebooks is None else "check that the file belongs to its meta"
    wanted = f"(T, {expected})" if expected else f"(T, Q) with Q up to {MAX_CODEBOOKS}"
    raise InputError(f"{where}: codes: expected {wanted}, got ({rows}, {columns}){_looks(fix)}", fix)


def _looks(fix: str) -> str:
    return ", which looks transposed" if fix == TRANSPOSE else ""


def _transposed_codebooks(rows: int, columns: int) -> int | None:
    """The Q of an array (Q, T) that looks transposed; 0 if no dimension can be Q; None if (T, Q) looks right.

    A short dump is legitimate: (4, 16) is 4 frames. An array looks transposed if its last dimension is above 64, which
    no codec has, or if its first is a usual number of codebooks and its last is longer and is not a usual number.
    The 16 of this codec come first: (16, n) looks transposed unless n is a smaller usual number, as in (16, 8).
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
