"""Load and check the dumps that a user names by code file, meta, manifest or folder."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.codes import CodeArray, code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.plurals import listed
from ttsctl.core.same_file import FileIdentity, file_identity
from ttsctl.dumps.manifest import MANIFEST, read_manifest
from ttsctl.dumps.meta import REDUMP, DumpMeta, read_meta
from ttsctl.dumps.read import READERS, read_codes

CODES_PREFIX = "codes_"
META_PREFIX = "meta_"
# Archives of traces lie beside codes, and have one of their suffixes.
TRACE_PREFIX = "trace_"


@dataclass(frozen=True)
class Dump:
    """One dump to compare: its codes (T, Q) int64, or its meta, or both; never neither.

    ``label``: the path as the user would name it. ``source``: the number of the argument that it came from.
    ``explicit``: False for a dump that a folder or a manifest listed. ``codes_id``, ``meta_id``: the files themselves.
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
    codes_id: FileIdentity | None
    meta_id: FileIdentity | None

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
    """The dumps of the folder's manifest; without a manifest, of all its metas; without a meta, its code files."""
    if (folder / MANIFEST).is_file():
        return _manifest(folder / MANIFEST, number, notes)
    found = _files(folder)
    metas = [path for path in found if path.name.startswith(META_PREFIX) and path.name.endswith(".json")]
    arrays = [path for path in found if path.suffix.lower() in READERS and not path.name.startswith(TRACE_PREFIX)]
    if not metas and not arrays:
        raise InputError(
            f"folder {folder}: no dump in it (expected {MANIFEST}, meta_<tag>.json, or files of codes)",
            "name the folder that 'ttsctl dump-codes' wrote, or one of code files",
        )
    codes = [path for path in arrays if path.name.startswith(CODES_PREFIX)]
    # Where nothing is named as ttsctl names it, every file that can hold codes is meant.
    if not metas and not codes:
        return [_load(path, None, number, explicit=False) for path in arrays]
    others = [path.name for path in arrays if not path.name.startswith(CODES_PREFIX)]
    if others:
        notes.append(f"{folder}: not named {CODES_PREFIX}<tag>, so not compared: {listed(others)}")
    if not metas:
        return [_load(path, None, number, explicit=False) for path in codes]
    _require_metas(codes, {path.name for path in metas})
    return [_load(_codes_beside(path), path, number, explicit=False) for path in metas]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise InputError(f"folder {folder}: {error.strerror or error}", "check the path and its permissions") from error


def _require_metas(codes: Sequence[Path], metas: Set[str]) -> None:
    """InputError for codes whose meta is missing: a folder of metas says of each dump what it is."""
    for path in codes:
        if _meta_name(path).name not in metas:
            raise InputError(
                f"{path}: its {_meta_name(path).name} is missing", f"{REDUMP}, or compare the file by its own path"
            )


def _manifest(manifest: Path, number: int, notes: list[str]) -> list[Dump]:
    """The dumps that the manifest lists; InputError for one whose codes have changed since it was listed."""
    dumps = []
    in_manifest = set()
    for entry in read_manifest(manifest):
        meta = manifest.parent / f"{META_PREFIX}{entry.tag}.json"
        in_manifest.add(meta.name)
        dump = _load(_codes_beside(meta), meta, number, explicit=False)
        if dump.sha256 != entry.sha256:
            raise InputError(
                f"manifest {manifest}: dump {entry.tag}: expected sha256 {entry.sha256}, got {dump.sha256}", REDUMP
            )
        dumps.append(dump)
    if not dumps:
        raise InputError(f"manifest {manifest}: lists no dump", REDUMP)
    beside = [path for path in _files(manifest.parent) if path.name.startswith((CODES_PREFIX, META_PREFIX))]
    # By the name of its meta, so that a dump of codes and meta is named once.
    metas = {(path.name if path.suffix == ".json" else _meta_name(path).name): path.name for path in beside}
    others = [name for meta, name in metas.items() if meta not in in_manifest]
    if others:
        notes.append(f"{manifest} does not list {listed(others)}: not compared")
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
    codes_id = file_identity(codes_file) if codes_file else None
    meta_id = file_identity(meta_file) if meta_file else None
    if codes is not None:
        sha256, (frames, books) = codes_sha256(codes), codes.shape
    else:
        assert meta is not None, "a source is a code file or a meta"
        sha256, frames, books = meta.sha256, meta.frames, meta.num_codebooks
    return Dump(label, tag, number, explicit, sha256, frames, books, codes, meta, codes_id, meta_id)


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
