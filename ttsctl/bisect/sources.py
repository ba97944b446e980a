"""The two sides of a bisection: configurations from TOML, or out of a meta or a summary with what it says besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsctl.runs.resolve_config import chosen_sets

if TYPE_CHECKING:
    from ttsctl.core.config import Config
    from ttsctl.core.provenance import Provenance
    from ttsctl.core.request import Request


@dataclass(frozen=True)
class Source:
    """One side. ``provenance`` is that of the recorded run, None for a TOML file, which was run nowhere yet.

    ``spoken``: of a meta, the request's ``text_sha256``, ``text_mode`` and ``voice``.
    """

    name: str
    config: Config
    provenance: Provenance | None
    spoken: dict[str, Any] = field(default_factory=dict)


def read_source(path: Path, checkpoint: str | None, sets: list[str] | None) -> Source:
    """A TOML file of configuration tables, a ``meta_*.json`` or a ``summary.json``; ``--set`` stands above each.

    InputError for a summary without a configuration, such as that of compare-hash.
    """
    from ttsctl.core.toml_file import read_toml
    from ttsctl.runs.resolve_config import resolve_config

    if path.suffix != ".json":
        table = read_toml(path, "config file")
        return Source(str(path), resolve_config(table, path, chosen_sets(checkpoint, sets)), None)
    table, provenance, spoken = _recorded(path)
    return Source(str(path), resolve_config(table, path, chosen_sets(checkpoint, sets)), provenance, spoken)


def _recorded(path: Path) -> tuple[dict[str, Any], Provenance, dict[str, Any]]:
    from pydantic import TypeAdapter, ValidationError

    from ttsctl.core.errors import InputError
    from ttsctl.core.files import read_json
    from ttsctl.core.provenance import Provenance

    value = read_json(path, "recorded run")
    table = value.get("config") if isinstance(value, dict) else None
    if not isinstance(table, dict):
        raise InputError(
            f"{path}: expected a configuration in TOML, or a meta or summary that holds one", "name another file"
        )
    spoken = {name: value[name] for name in ("text_sha256", "text_mode", "voice") if name in value}
    try:
        return table, TypeAdapter(Provenance).validate_python(value.get("provenance")), spoken
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("provenance", *first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}", "make the run again with this version") from error


def environment(a: Source, b: Source, here: Provenance) -> list[str]:
    """How the recorded runs' machines and software differ from each other and from this one, one line each."""
    from ttsctl.core.provenance import differences

    lines = []
    if a.provenance and b.provenance:
        lines += [f"A against B: {line}" for line in differences(a.provenance, b.provenance)]
    for name, source in (("A", a), ("B", b)):
        if source.provenance:
            lines += [f"{name} against here: {line}" for line in differences(source.provenance, here)]
    return lines


def other_requests(a: Source, b: Source, requests: Sequence[Request]) -> list[str]:
    """What a recorded side spoke that no request asks for: then it is another run that is bisected."""
    from dataclasses import asdict

    from ttsctl.dumps.meta import text_sha256

    lines = []
    for name, source in (("A", a), ("B", b)):
        asked = [
            {"text_sha256": text_sha256(r.text), "text_mode": r.text_mode, "voice": asdict(r.voice)} for r in requests
        ]
        other = [key for key, value in source.spoken.items() if all(one[key] != value for one in asked)]
        if other:
            said = ", ".join(f"{key.removesuffix('_sha256')} {_short(source.spoken[key])}" for key in other)
            lines.append(f"{name} was recorded with another request, {said}: what it showed may not show here")
    return lines


def _short(value: object) -> str:
    """A voice by its id, a hash by its start."""
    found = value.get("id") if isinstance(value, dict) else value
    return str(found)[:12]
