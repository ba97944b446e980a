"""The two sides of a bisection: configurations from TOML, or from the meta or summary of a recorded run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ttsctl.core.config import Config
from ttsctl.core.provenance import Provenance, differences
from ttsctl.core.request import Request
from ttsctl.core.validation import input_error
from ttsctl.dumps.meta import text_sha256
from ttsctl.runs.recorded_config import read_config_source
from ttsctl.runs.resolve_config import chosen_sets, resolve_config

_REQUEST_KEYS = ("text_sha256", "text_mode", "voice")


@dataclass(frozen=True)
class Source:
    """One side. ``provenance`` is that of the recorded run; None for a TOML file, which was not run yet.

    ``spoken`` is what a meta says of the request: ``text_sha256``, ``text_mode`` and ``voice``.
    """

    name: str
    config: Config
    provenance: Provenance | None
    spoken: dict[str, Any] = field(default_factory=dict)


def read_source(path: Path, checkpoint: str | None, sets: Sequence[str]) -> Source:
    """A file as of ``runs.recorded_config``; ``checkpoint`` and ``sets`` go on top of its configuration.

    InputError for one without a configuration, such as the summary of compare-hash.
    """
    read = read_config_source(path)
    config = resolve_config(read.tables, path, chosen_sets(checkpoint, list(sets)))
    if read.record is None:
        return Source(str(path), config, None)
    spoken = {name: read.record[name] for name in _REQUEST_KEYS if name in read.record}
    return Source(str(path), config, _provenance(path, read.record), spoken)


def environment_differences(a: Source, b: Source, here: Provenance) -> list[str]:
    """How machine and software of the recorded runs differ from each other and from this one, one line each."""
    lines = []
    if a.provenance and b.provenance:
        lines += [f"A against B: {line}" for line in differences(a.provenance, b.provenance)]
    for name, source in (("A", a), ("B", b)):
        if source.provenance:
            lines += [f"{name} against here: {line}" for line in differences(source.provenance, here)]
    return lines


def other_requests(a: Source, b: Source, requests: Sequence[Request]) -> list[str]:
    """A line for each side that was recorded with a request that is not among ``requests``."""
    asked = [
        {"text_sha256": text_sha256(r.text), "text_mode": r.text_mode, "voice": _heard(r.voice.to_dict())}
        for r in requests
    ]
    lines = []
    for name, source in (("A", a), ("B", b)):
        spoken = {key: _heard(value) if key == "voice" else value for key, value in source.spoken.items()}
        other = [key for key, value in spoken.items() if all(one[key] != value for one in asked)]
        if other:
            said = ", ".join(f"{key.removesuffix('_sha256')} {_short(source.spoken[key])}" for key in other)
            lines.append(f"{name} was recorded with another request, {said}: what it showed may not show here")
    return lines


def _heard(voice: Mapping[str, Any]) -> dict[str, Any]:
    """What a voice has, without the paths of its files, which their hashes stand for."""
    paths = ("ref_audio", "voice_file")
    return {key: value for key, value in voice.items() if key not in paths and value not in (None, False)}


def _provenance(path: Path, record: Mapping[str, Any]) -> Provenance:
    """Where a recorded run was made."""
    try:
        # As a dict, so that an error names the place from ``provenance`` on.
        read = TypeAdapter(dict[str, Provenance]).validate_python({"provenance": record.get("provenance")})
    except ValidationError as error:
        raise input_error(str(path), error, fix="make the run again with this version") from error
    return read["provenance"]


def _short(value: object) -> str:
    """A voice by its id, a hash by its start."""
    found = value.get("id") if isinstance(value, dict) else value
    return str(found)[:12]
