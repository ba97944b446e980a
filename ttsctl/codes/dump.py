"""Writing a dump: ``codes_<tag>.npy`` and ``meta_<tag>.json``, both or neither."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np

from ttsctl.codes.meta import DumpMeta, checked_tag
from ttsctl.contract.codes import CodeArray, codes_sha256
from ttsctl.contract.errors import InputError
from ttsctl.contract.files import written_whole


def codes_path(folder: Path, tag: str) -> Path:
    return folder / f"codes_{checked_tag(tag)}.npy"


def meta_path(folder: Path, tag: str) -> Path:
    return folder / f"meta_{checked_tag(tag)}.json"


def write_dump(folder: Path, meta: DumpMeta, codes: CodeArray) -> tuple[Path, Path]:
    """Write codes (T, Q) int64 and their meta; returns both paths.

    Both are complete under temporary names before either gets its own; the meta comes last, so a meta in place means
    a whole dump. InputError if the tag is taken, the folder cannot be written, or ``meta`` describes other codes.
    """
    npy, sidecar = codes_path(folder, meta.tag), meta_path(folder, meta.tag)
    if codes_sha256(codes) != meta.sha256 or codes.shape != (meta.frames, meta.num_codebooks):
        raise InputError(
            f"dump {meta.tag}: the meta describes other codes", "build it with build_meta from these codes"
        )
    for path in (npy, sidecar):
        if path.exists():
            raise InputError(f"dump {path}: already there", "choose another tag or folder")
    text = json.dumps(meta.to_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    try:
        # The inner file is renamed first: the codes, then the meta.
        with written_whole(sidecar) as temporary_meta, written_whole(npy) as temporary_codes:
            temporary_meta.write_text(text, encoding="utf-8")
            np.save(temporary_codes, codes.astype("<i8"), allow_pickle=False)
    except BaseException:  # also an interrupt between the two renames
        if not sidecar.exists():
            with contextlib.suppress(OSError):  # the first error is the one to tell
                npy.unlink(missing_ok=True)
        raise
    return npy, sidecar
