"""``manifest.json``: the dumps of a folder, and how many different results each request has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, read_json, write_json
from ttsctl.core.plurals import listed
from ttsctl.dumps.meta import REDUMP, DumpMeta, checked_tag, read_meta

MANIFEST = "manifest.json"
MANIFEST_VERSION = "1.0"
# The fields of a voice that have no other name for the same thing.
VOICE_KEYS = ("id", "speaker", "language", "instruct")


@dataclass(frozen=True)
class ManifestEntry:
    """One listed dump: its tag, and the sha256 of its codes when the manifest was written."""

    tag: str
    sha256: str


def request_key(meta: DumpMeta) -> tuple[object, ...]:
    """Dumps with equal keys answer the same request: text, text id, text mode and voice.

    Of a cloned voice its id alone: where its file lies says nothing, and another prompt is what a comparison tells.
    """
    return (meta.text_sha256, meta.text_id, meta.text_mode, *(meta.voice.get(name) for name in VOICE_KEYS))


def write_manifest(folder: Path) -> Path:
    """List all metas of the folder in ``manifest.json`` and return its path; every call writes the file anew.

    InputError if a meta is broken or the folder has none.
    """
    metas = [read_meta(path) for path in sorted(folder.glob("meta_*.json"))]
    if not metas:
        raise InputError(f"{folder}: no dump to list (expected meta_<tag>.json)", "dump some codes first")
    path = folder / MANIFEST
    write_json(
        path,
        {
            "schema_version": MANIFEST_VERSION,
            "dumps": [_entry(meta) for meta in metas],
            "requests": _requests(metas),
        },
    )
    return path


def read_manifest(path: Path) -> list[ManifestEntry]:
    """The entries of a manifest; InputError if it is malformed, of another version, or lists a tag twice."""
    value = read_json(path, "manifest", MAX_BYTES["record"])
    if not isinstance(value, dict) or not isinstance(value.get("dumps"), list):
        raise InputError(f"manifest {path}: expected a JSON object with a list 'dumps'", REDUMP)
    version = str(value.get("schema_version"))
    if version.split(".")[0] != MANIFEST_VERSION.split(".")[0]:
        raise InputError(f"manifest {path}: expected schema_version {MANIFEST_VERSION}, got {version}", REDUMP)
    entries = [_read_entry(path, number, item) for number, item in enumerate(value["dumps"])]
    twice = sorted(tag for tag, times in Counter(entry.tag for entry in entries).items() if times > 1)
    if twice:
        raise InputError(f"manifest {path}: lists {listed(twice)} twice", REDUMP)
    return entries


def _read_entry(path: Path, number: int, item: Any) -> ManifestEntry:
    if not isinstance(item, dict) or not isinstance(item.get("tag"), str) or not isinstance(item.get("sha256"), str):
        raise InputError(f"manifest {path}: dumps.{number}: expected an object with tag and sha256", REDUMP)
    return ManifestEntry(checked_tag(item["tag"]), item["sha256"])


def _entry(meta: DumpMeta) -> dict[str, Any]:
    return {
        "tag": meta.tag,
        "text_id": meta.text_id,
        "text_sha256": meta.text_sha256,
        "text_mode": meta.text_mode,
        "seed": meta.seed,
        "frames": meta.frames,
        "truncated": meta.truncated,
        "sha256": meta.sha256,
        "first_packet_sha256": meta.first_packet_sha256,
        "packet_tokens": meta.packet_tokens,
        "config_sha256": meta.config_sha256,
        "voice": meta.voice["id"],
        "codes": f"codes_{meta.tag}.npy",
        "meta": f"meta_{meta.tag}.json",
    }


def _requests(metas: list[DumpMeta]) -> list[dict[str, Any]]:
    """One row a request, with hash_unique. First packets are counted only if all runs have one ``packet_tokens``."""
    by_request: dict[tuple[object, ...], list[DumpMeta]] = {}
    for meta in metas:
        by_request.setdefault(request_key(meta), []).append(meta)
    rows = []
    for runs in by_request.values():
        one_size = len({meta.packet_tokens for meta in runs}) == 1
        rows.append(
            {
                "text_id": runs[0].text_id,
                "text_sha256": runs[0].text_sha256,
                "text_mode": runs[0].text_mode,
                "voice": runs[0].voice["id"],
                "runs": len(runs),
                "hash_unique": len({meta.sha256 for meta in runs}),
                "first_packet_hash_unique": len({meta.first_packet_sha256 for meta in runs}) if one_size else None,
                "reason": None if one_size else "packet_tokens differ between the runs",
                "tags": [meta.tag for meta in runs],
            }
        )
    return rows
