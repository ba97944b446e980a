"""The two sides of a bisection: configurations from TOML, or out of a meta or a summary with what it says besides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttsctl.cli.options import chosen_sets

if TYPE_CHECKING:
    from ttsctl.contract.config import Config
    from ttsctl.contract.provenance import Provenance


@dataclass(frozen=True)
class Source:
    """One side. ``provenance`` is that of the recorded run, None for a TOML file, which was run nowhere yet."""

    name: str
    config: Config
    provenance: Provenance | None


def read_source(path: Path, checkpoint: str | None, sets: list[str] | None) -> Source:
    """A TOML file of configuration tables, a ``meta_*.json`` or a ``summary.json``; ``--set`` stands above each.

    InputError for a summary without a configuration, such as that of compare-hash.
    """
    from ttsctl.cli.config import resolve_config
    from ttsctl.contract.toml_file import read_toml

    if path.suffix != ".json":
        table = read_toml(path, "config file")
        return Source(str(path), resolve_config(table, path, chosen_sets(checkpoint, sets)), None)
    table, provenance = _recorded(path)
    return Source(str(path), resolve_config(table, path, chosen_sets(checkpoint, sets)), provenance)


def _recorded(path: Path) -> tuple[dict[str, Any], Provenance]:
    from pydantic import TypeAdapter, ValidationError

    from ttsctl.contract.errors import InputError
    from ttsctl.contract.files import read_json
    from ttsctl.contract.provenance import Provenance

    value = read_json(path, "recorded run")
    table = value.get("config") if isinstance(value, dict) else None
    if not isinstance(table, dict):
        raise InputError(
            f"{path}: expected a configuration in TOML, or a meta or summary that holds one", "name another file"
        )
    try:
        return table, TypeAdapter(Provenance).validate_python(value.get("provenance"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("provenance", *first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}", "make the run again with this version") from error


def environment(a: Source, b: Source, here: Provenance) -> list[str]:
    """How the recorded runs' machines and software differ from each other and from this one, one line each."""
    from ttsctl.contract.provenance import differences

    lines = []
    if a.provenance and b.provenance:
        lines += [f"A against B: {line}" for line in differences(a.provenance, b.provenance)]
    for name, source in (("A", a), ("B", b)):
        if source.provenance:
            lines += [f"{name} against here: {line}" for line in differences(source.provenance, here)]
    return lines
