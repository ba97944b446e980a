"""The meta of a dump: which request it answers, what its codes are, and how they were made."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le, MaxLen

from ttsctl.core.codes import code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.files import read_json_bytes
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request, Voice
from ttsctl.core.validation import input_error
from ttsctl.core.voice_prompt import PromptUse

if TYPE_CHECKING:  # building these dataclasses takes time that comparing two dumps does not have
    from pydantic import TypeAdapter

    from ttsctl.core.config import Config
    from ttsctl.core.engine import EngineInfo
    from ttsctl.core.run import Run

META_VERSION = "1.0"
REDUMP = "make the dump again with 'ttsctl dump-codes'"

MAX_PACKETS = 2**18  # of one frame each, 5 hours of speech

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# Every number may be used: so none is larger than an array can have ids, or than an id can be.
Count = Annotated[int, Ge(0), Le(2**40)]
Positive = Annotated[int, Ge(1), Le(2**40)]
Code = Annotated[int, Ge(-(2**63)), Le(2**63 - 1)]


@dataclass(frozen=True)
class DumpMeta:
    """What ``meta_<tag>.json`` holds.

    ``sha256`` is over the code bytes of all frames, ``packet_sha256`` the chained hashes of packets of
    ``packet_tokens`` frames (contract.codes). ``timings`` are in ms, null where one could not be had.
    ``voice`` has the fields of core.request.Voice; ``prompt`` is what a cloned one was made of. ``seed`` is null where
    the request used no generator of its own (greedy, free).
    """

    __pydantic_config__ = {"strict": True, "allow_inf_nan": False, "extra": "ignore"}  # noqa: RUF012  pydantic's name

    tag: str
    text_id: str | None
    text_sha256: str
    text_mode: str
    voice: dict[str, str | bool | None]
    config: dict[str, dict[str, Any]]
    config_sha256: str
    seed: int | None
    frames: Positive
    codebook_size: Positive
    num_codebooks: Positive
    min_code: Code
    max_code: Code
    out_of_range_count: Count
    sha256: str
    first_packet_sha256: str
    packet_tokens: Positive
    packet_sha256: Annotated[list[str], MaxLen(MAX_PACKETS)]
    truncated: bool
    provenance: Provenance
    timings: dict[str, float | None] = field(default_factory=dict)
    prompt: PromptUse | None = None
    schema_version: str = META_VERSION

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def text_sha256(text: str) -> str:
    """sha256 in hex over the UTF-8 bytes of the text, as it was given."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def checked_tag(tag: str) -> str:
    """The tag, if it is safe as part of a file name on any system; else InputError."""
    if not _TAG.fullmatch(tag):
        raise InputError(
            f"tag {tag!r}: expected 1 to 128 of A-Z a-z 0-9 . _ - and no leading . _ -", "choose another tag"
        )
    return tag


def build_meta(run: Run, request: Request, config: Config, info: EngineInfo, tag: str) -> DumpMeta:
    """Describe the codes (T, Q) int64 of a run that answered ``request`` under ``config`` on the engine of ``info``.

    InputError if there is no frame.
    """
    codes = run.require_codes()
    if codes.ndim != 2 or codes.size == 0:
        raise InputError(
            f"dump {tag}: expected codes (T, Q) with at least one frame, got shape {codes.shape}",
            "raise sampling.max_new_tokens",
        )
    packet_tokens = config.stream.packet_tokens
    found = code_range(codes, info.codebook_size)
    chain = packet_chain_sha256(codes, packet_tokens)
    return DumpMeta(
        tag=checked_tag(tag),
        text_id=request.text_id,
        text_sha256=text_sha256(request.text),
        text_mode=request.text_mode,
        voice=request.voice.to_dict(),
        config=config.to_dict(),
        config_sha256=config.sha256,
        seed=run.seed,
        frames=codes.shape[0],
        codebook_size=info.codebook_size,
        num_codebooks=codes.shape[1],
        min_code=int(codes.min()),
        max_code=int(codes.max()),
        out_of_range_count=found.out_of_range_count,
        sha256=codes_sha256(codes),
        first_packet_sha256=chain[0],
        packet_tokens=packet_tokens,
        packet_sha256=chain,
        truncated=bool(run.truncated),
        provenance=info.provenance,
        timings=run.times,
        prompt=run.prompt,
    )


@cache
def _adapter() -> TypeAdapter[DumpMeta]:
    from pydantic import TypeAdapter

    return TypeAdapter(DumpMeta)


def read_meta(path: Path) -> DumpMeta:
    """Read and validate a meta file; InputError names the field that is missing, wrong or contradicts another."""
    from pydantic import ValidationError

    raw, value = read_json_bytes(path, "meta")
    _check_version(path, value)
    try:
        meta = _adapter().validate_json(raw)
    except ValidationError as error:
        raise input_error(f"meta {path}", error, fix=REDUMP) from error
    _check_consistent(path, meta)
    return meta


def _check_version(path: Path, value: Any) -> None:
    if not isinstance(value, dict) or "schema_version" not in value:
        raise InputError(f"meta {path}: expected a JSON object with schema_version", REDUMP)
    version = value["schema_version"]
    if str(version).split(".")[0] != META_VERSION.split(".")[0]:
        raise InputError(f"meta {path}: expected schema_version {META_VERSION}, got {version!r}", REDUMP)


def _check_consistent(path: Path, meta: DumpMeta) -> None:
    """The facts of a meta must agree with each other, for where codes are absent they are all there is."""
    for name in ("text_sha256", "config_sha256", "sha256", "first_packet_sha256"):
        if not _SHA256.fullmatch(getattr(meta, name)):
            raise InputError(f"meta {path}: {name}: expected 64 hex digits, got {getattr(meta, name)!r}", REDUMP)
    for name, value in asdict(meta.prompt.hashes).items() if meta.prompt is not None else ():
        if value is not None and not _SHA256.fullmatch(value):
            raise InputError(f"meta {path}: prompt.hashes.{name}: expected 64 hex digits, got {value!r}", REDUMP)
    try:
        Voice.from_dict(meta.voice)
    except ValueError as error:
        raise InputError(f"meta {path}: voice: {error}", REDUMP) from error
    packets = -(-meta.frames // meta.packet_tokens)
    if len(meta.packet_sha256) != packets or not all(_SHA256.fullmatch(h) for h in meta.packet_sha256):
        raise InputError(
            f"meta {path}: packet_sha256: expected {packets} sha256 for {meta.frames} frames in packets of "
            f"{meta.packet_tokens}, got {len(meta.packet_sha256)} entries",
            REDUMP,
        )
    if meta.packet_sha256[0] != meta.first_packet_sha256:
        raise InputError(f"meta {path}: first_packet_sha256 is not the first of packet_sha256", REDUMP)
