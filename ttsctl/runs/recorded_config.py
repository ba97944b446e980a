"""The configuration of an earlier run, out of the summary, meta or baseline that it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.files import MAX_BYTES, Table, is_file, is_folder, read_json, read_toml

# A folder stands for the first of these that lies in it.
IN_FOLDER = ("summary.json", "baseline.json")
# The lists of a summary whose entries change its configuration by their ``settings``: of a sweep, of decode-ablate.
_SEVERAL = ("conditions", "variants")
# After the file's name: which of them.
SEPARATOR = "#"


@dataclass(frozen=True)
class ConfigSource:
    """What a ``--config`` file holds: the ``tables`` of the configuration, and all of a ``record`` of an earlier run.

    ``name``: as errors name it. ``record`` is None for a TOML file, which was not run yet.
    """

    name: str
    tables: Table
    record: Mapping[str, Any] | None = None


def read_config_source(path: Path) -> ConfigSource:
    """A TOML file of configuration tables; or a summary, meta or baseline, or a folder that holds one.

    ``summary.json#NAME`` takes the condition or variant NAME of a summary that has several. InputError for a file that
    cannot be read, that holds no configuration, or that holds several without one being named.
    """
    file, chosen = _split(path)
    if is_folder(file):
        file = _in_folder(file)
    if file.suffix != ".json":
        if chosen:
            raise InputError(f"{path}: a TOML file has one configuration, and no {chosen!r}", "leave the name out")
        return ConfigSource(str(path), read_toml(file, "config file"))
    record = read_json(file, "recorded run", MAX_BYTES["record"])
    tables = record.get("config") if isinstance(record, dict) else None
    if not isinstance(tables, dict):
        raise InputError(f"{path}: {_why_no_config(record)}", "name a TOML file, or a meta or summary that holds one")
    return ConfigSource(str(path), _chosen(tables, record, chosen, path), record)


def _split(path: Path) -> tuple[Path, str]:
    """The file, and the name after ``#``; a file that has the ``#`` in its own name is taken as it is."""
    before, separator, chosen = str(path).rpartition(SEPARATOR)
    return (path, "") if is_file(path) or is_folder(path) or not separator else (Path(before), chosen)


def _in_folder(folder: Path) -> Path:
    for name in IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"folder {folder}: neither {' nor '.join(IN_FOLDER)} in it", "name the folder of an earlier run")


def _why_no_config(record: object) -> str:
    if isinstance(record, dict) and "codes_conditions" in record:
        return "this baseline was made by a version that kept no configuration in it"
    return "expected a configuration, got none"


def _chosen(tables: Table, record: Mapping[str, Any], chosen: str, path: Path) -> Table:
    """The tables, with the settings of the entry that is ``chosen`` where the record has several."""
    key = next((key for key in _SEVERAL if isinstance(record.get(key), list)), None)
    entries = {str(entry.get("name")): entry for entry in record[key] if isinstance(entry, dict)} if key else {}
    if not entries and not chosen:
        return tables
    if chosen in entries:
        return _with_settings(tables, entries[chosen].get("settings"), path)
    if not chosen and len(entries) == 1:
        return _with_settings(tables, next(iter(entries.values())).get("settings"), path)
    if not chosen:
        example = f"{path}{SEPARATOR}{next(iter(entries))}"
        what = f"{path}: expected one configuration, got {len(entries)} {key}: {', '.join(list(entries)[:8])}"
        raise InputError(what, f"name one, for example {example}")
    raise InputError(f"{path}: nothing in it has the name {chosen!r}", nearest(chosen, list(entries)))


def _with_settings(tables: Table, settings: object, path: Path) -> Table:
    """The tables with dotted keys changed."""
    if not isinstance(settings, dict):
        raise InputError(f"{path}: expected a table of settings, got {settings!r:.80}", "name the summary as it was")
    changed = {name: dict(keys) if isinstance(keys, dict) else keys for name, keys in tables.items()}
    for key, value in settings.items():
        table, _, name = key.partition(".")
        keys = changed.setdefault(table, {})
        if isinstance(keys, dict):
            keys[name] = None if value == "null" else value
    return changed
