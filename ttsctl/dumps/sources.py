"""Load and check the dumps that a user names by code file, meta, manifest or folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.codes import CodeArray, code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.errors import InputError
from ttsctl.dumps.manifest import MANIFEST, read_manifest
from ttsctl.dumps.meta import REDUMP, DumpMeta, read_meta
from ttsctl.dumps.read import READERS, read_codes

CODES_PREFIX = "codes_"
META_PREFIX = "meta_"


@dataclass(frozen=True)
class Dump:
    """One dump to compare: its codes (T, Q) int64, or its meta, or both; never neither.

    ``label``: the path as the user would name it. ``source``: the number of the argument that it came from.
    ``explicit``: False for a dump that a folder or a manifest listed.
    """

    label: str
    tag: str
    source: int
    explicit: bool
    sha256: str
    frames: int
    num_codebooks: int
    codes: CodeArray | None
    meta: DumpMeta | None

    def chain(self, packet_tokens: int) -> list[str] | None:
        """Chained packet hashes at ``packet_tokens``; None if codes are absent and the meta has another packet size."""
        if self.codes is not None:
            return packet_chain_sha256(self.codes, packet_tokens)
        if self.meta is not None and self.meta.packet_tokens == packet_tokens:
            return self.meta.packet_sha256
        return None

    def first_packet_sha256(self, packet_tokens: int) -> str | None:
        """sha256 of the first packet at ``packet_tokens``; None in the cases in which ``chain`` is None."""
        if self.codes is not None:
            return codes_sha256(self.codes[:packet_tokens])
        chain = self.chain(packet_tokens)
        return chain[0] if chain else None


def load_sources(paths: Sequence[Path]) -> tuple[list[Dump], list[str]]:
    """All dumps that the paths stand for, in the order of the paths, and notes about files that were left out.

    InputError for a path of another kind, a broken or missing meta, codes whose sha256 is not that of their meta, or
    ids outside of the codebook that the meta declares.
    """
    dumps: list[Dump] = []
    notes: list[str] = []
    for number, path in enumerate(paths):
        if path.is_dir():
            dumps += _folder(path, number, notes)
        elif path.name.startswith(META_PREFIX) and path.suffix == ".json":
            dumps.append(_load(_codes_beside(path), path, number, explicit=True))
        elif path.suffix == ".json":
            dumps += _manifest(path, number, notes)
        else:
            dumps.append(_load(path, _meta_beside(path), number, explicit=True))
    return dumps, notes


def _folder(folder: Path, number: int, notes: list[str]) -> list[Dump]:
    """The dumps of the folder's manifest; without a manifest, of all its metas; without a meta, all its code files."""
    if (folder / MANIFEST).is_file():
        return _manifest(folder / MANIFEST, number, notes)
    metas = sorted(folder.glob(f"{META_PREFIX}*.json"))
    codes = sorted(p for p in folder.glob(f"{CODES_PREFIX}*") if p.suffix.lower() in READERS)
    if not metas and not codes:
        raise InputError(
            f"folder {folder}: no dump in it (expected {MANIFEST}, meta_<tag>.json or codes_<tag>.npy)",
            "name the folder that 'ttsctl dump-codes' wrote",
        )
    if not metas:
        return [_load(path, None, number, explicit=False) for path in codes]
    for path in codes:
        if not _meta_name(path).is_file():
            raise InputError(
                f"{path}: its {_meta_name(path).name} is missing", f"{REDUMP}, or compare the file by its own path"
            )
    return [_load(_codes_beside(path), path, number, explicit=False) for path in metas]


def _manifest(manifest: Path, number: int, notes: list[str]) -> list[Dump]:
    """The dumps that the manifest lists; InputError for one whose codes have changed since it was listed."""
    dumps = []
    listed = set()
    for entry in read_manifest(manifest):
        meta = manifest.parent / f"{META_PREFIX}{entry.tag}.json"
        listed.add(meta.name)
        dump = _load(_codes_beside(meta), meta, number, explicit=False)
        if dump.sha256 != entry.sha256:
            raise InputError(
                f"manifest {manifest}: dump {entry.tag}: expected sha256 {entry.sha256}, got {dump.sha256}", REDUMP
            )
        dumps.append(dump)
    if not dumps:
        raise InputError(f"manifest {manifest}: lists no dump", REDUMP)
    others = sorted(p.name for p in manifest.parent.glob(f"{META_PREFIX}*.json") if p.name not in listed)
    if others:
        notes.append(f"{manifest} does not list {', '.join(others)}: not compared")
    return dumps


def _meta_name(codes: Path) -> Path:
    return codes.with_name(META_PREFIX + codes.stem.removeprefix(CODES_PREFIX) + ".json")


def _meta_beside(codes: Path) -> Path | None:
    meta = _meta_name(codes)
    return meta if codes.name.startswith(CODES_PREFIX) and meta.is_file() else None


def _codes_beside(meta: Path) -> Path | None:
    """The code file of a meta, in any format that can be read; None if there is none."""
    stem = CODES_PREFIX + meta.stem.removeprefix(META_PREFIX)
    candidates = (meta.with_name(stem + suffix) for suffix in READERS)
    return next((path for path in candidates if path.is_file()), None)


def _load(codes_file: Path | None, meta_file: Path | None, number: int, explicit: bool) -> Dump:
    meta = read_meta(meta_file) if meta_file else None
    codes = read_codes(codes_file, meta.num_codebooks if meta else None) if codes_file else None
    label = str(codes_file or meta_file)
    tag = Path(label).stem.removeprefix(CODES_PREFIX).removeprefix(META_PREFIX)
    if meta is not None:
        _check_against_meta(label, codes, meta)
    if codes is not None:
        rows, books = codes.shape
        return Dump(label, tag, number, explicit, codes_sha256(codes), rows, books, codes, meta)
    assert meta is not None, "a source is a code file or a meta"
    return Dump(label, tag, number, explicit, meta.sha256, meta.frames, meta.num_codebooks, None, meta)


def _check_against_meta(label: str, codes: CodeArray | None, meta: DumpMeta) -> None:
    """InputError unless the codes are those that the meta describes, with every id inside the codebook it declares."""
    if codes is None:
        if meta.out_of_range_count:
            raise InputError(
                f"{label}: {meta.out_of_range_count} codes outside of [0, {meta.codebook_size}), from "
                f"{meta.min_code} to {meta.max_code}",
                REDUMP,
            )
        return
    found = codes_sha256(codes)
    if found != meta.sha256:
        raise InputError(f"{label}: expected the sha256 of its meta, {meta.sha256}, got {found}", REDUMP)
    if codes.shape != (meta.frames, meta.num_codebooks):
        raise InputError(
            f"{label}: expected the shape of its meta, ({meta.frames}, {meta.num_codebooks}), got {codes.shape}", REDUMP
        )
    if packet_chain_sha256(codes, meta.packet_tokens) != meta.packet_sha256:
        raise InputError(f"{label}: the packet_sha256 of its meta are not those of its codes", REDUMP)
    outside = code_range(codes, meta.codebook_size)
    if outside.first is not None:
        frame, codebook, value = outside.first
        raise InputError(
            f"{label}: {outside.out_of_range_count} codes outside of [0, {meta.codebook_size}), first {value} at "
            f"frame {frame} codebook {codebook}",
            REDUMP,
        )
