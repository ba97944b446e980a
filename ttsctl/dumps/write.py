"""Writing a dump: ``codes_<tag>.npy`` and ``meta_<tag>.json``, both or neither, and with them what was recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ttsctl.core.codes import FRAME_SAMPLES, CodeArray, codes_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.files import written_whole
from ttsctl.core.printable import json_text
from ttsctl.core.timing import ChunkTiming, PacketTiming, packet_stalls, packet_stats
from ttsctl.core.trace import Trace
from ttsctl.dumps.meta import DumpMeta, checked_tag
from ttsctl.dumps.trace_file import save_trace, trace_path

PACKETS_VERSION = "1.1"


def codes_path(folder: Path, tag: str) -> Path:
    return folder / f"codes_{checked_tag(tag)}.npy"


def meta_path(folder: Path, tag: str) -> Path:
    return folder / f"meta_{checked_tag(tag)}.json"


def packets_path(folder: Path, tag: str) -> Path:
    return folder / f"packets_{checked_tag(tag)}.json"


def write_dump(
    folder: Path,
    meta: DumpMeta,
    codes: CodeArray,
    trace: Trace | None = None,
    packets: Sequence[PacketTiming] | None = None,
    chunks: Sequence[ChunkTiming] = (),
) -> tuple[Path, ...]:
    """Write codes (T, Q) int64 and their meta, and beside them ``trace_<tag>.npz`` and ``packets_<tag>.json`` where
    given, with the chunks in which their audio left; returns the paths, of codes and meta first.

    All are complete under temporary names before any gets its own; the meta comes last, so a meta in place means a
    whole dump. InputError if the tag is taken, the folder cannot be written, or ``meta`` describes other codes.
    """
    if codes_sha256(codes) != meta.sha256 or codes.shape != (meta.frames, meta.num_codebooks):
        raise InputError(
            f"dump {meta.tag}: the meta describes other codes", "build it with build_meta from these codes"
        )
    sidecar, npy = meta_path(folder, meta.tag), codes_path(folder, meta.tag)
    traced, timed = trace_path(folder, meta.tag), packets_path(folder, meta.tag)
    paths = [sidecar, npy, *([traced] if trace is not None else []), *([timed] if packets is not None else [])]
    for path in (sidecar, npy, traced, timed):
        if path.exists():
            raise InputError(f"dump {path}: already there", "choose another tag or folder")
    try:
        with contextlib.ExitStack() as stack:
            # The last file entered is renamed first: the meta after all others.
            temporary = {path: stack.enter_context(written_whole(path)) for path in paths}
            temporary[sidecar].write_text(_json(meta.to_dict()), encoding="utf-8")
            np.save(temporary[npy], codes.astype("<i8"), allow_pickle=False)
            if trace is not None:
                save_trace(temporary[traced], trace)
            if packets is not None:
                temporary[timed].write_text(_json(packets_table(packets, chunks)), encoding="utf-8")
    except BaseException:  # also an interrupt between two renames
        if not sidecar.exists():
            for path in paths:
                with contextlib.suppress(OSError):  # the first error is the one to tell
                    path.unlink(missing_ok=True)
        raise
    return npy, sidecar, *paths[2:]


def packets_table(packets: Sequence[PacketTiming], chunks: Sequence[ChunkTiming] = ()) -> dict[str, object]:
    """The packet trace as JSON: times in ms, those that end in ``at_ms`` since the request.

    ``stats``: what the packets hold. ``stalls``: the packets that came late; null if there are too few to tell.
    """
    stalls = packet_stalls(packets)
    return {
        "schema_version": PACKETS_VERSION,
        "packets": [asdict(packet) for packet in packets],
        "stats": asdict(packet_stats(packets, FRAME_SAMPLES)),
        "stalls": None if stalls is None else [asdict(stall) for stall in stalls],
        "chunks": [asdict(chunk) for chunk in chunks],
    }


def _json(value: object) -> str:
    return json_text(value) + "\n"
