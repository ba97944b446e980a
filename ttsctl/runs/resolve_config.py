"""The one place where a configuration is built: defaults, then the tables of a file, then ``--set key=value``."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.files import Table, toml_value
from ttsctl.core.validation import input_error
from ttsctl.runs.recorded_config import ConfigSource, read_config_source


def resolve_config(
    file_table: Table | None, file: Path | None, sets: Sequence[str], over: ConfigSource | None = None
) -> Config:
    """Config from (lowest first) defaults, ``file_table`` read from ``file``, the tables of ``over``, and ``sets``.

    ``file`` is what the command runs, such as a suite; ``over`` is its ``--config``; ``sets`` are like
    ``stream.chunk_ms=40``.
    InputError names the key, where it stands, and the nearest known key, or the value that was expected.
    """
    merged = Config().to_dict()
    if file_table:
        _merge(merged, file_table, str(file) if file else "configuration")
    if over is not None:
        _merge(merged, over.tables, over.name)
    for item in sets:
        _merge(merged, parse_set(item), f"--set {item}")
    return _validated(merged)


def chosen_sets(checkpoint: str | None, sets: Sequence[str] | None) -> list[str]:
    """``--checkpoint`` as the setting it stands for, under every ``--set``."""
    chosen = [f"engine.checkpoint={json.dumps(checkpoint)}"] if checkpoint is not None else []
    return [*chosen, *(sets or [])]


def config_source(file: Path | None) -> ConfigSource | None:
    """What the ``--config`` file of a command holds; None without one. Errors as of ``read_config_source``."""
    return None if file is None else read_config_source(file)


def config_of_file(file: Path | None, checkpoint: str | None, sets: Sequence[str]) -> Config:
    """The configuration of a command: the tables of its ``--config`` file, then ``--checkpoint``, then every ``--set``.

    Errors as of ``resolve_config`` and of ``read_config_source``, which says what the file may be.
    """
    return resolve_config(None, None, chosen_sets(checkpoint, sets), config_source(file))


def with_settings(config: Config, settings: Mapping[str, Any], source: str) -> Config:
    """``config`` with dotted keys changed, as ``--set`` would; errors as of ``resolve_config``, told of ``source``."""
    merged = config.to_dict()
    for key, value in settings.items():
        table, _, name = key.partition(".")
        _merge(merged, {table: {name: None if value == "null" else value}}, source)
    return _validated(merged)


def _validated(tables: Table) -> Config:
    """Through JSON, where strict validation takes an object for a table but still no "4" for 4."""
    return _adapter().validate_json(json.dumps(tables, default=str))


@cache
def _adapter() -> TypeAdapter[Config]:
    """Building it takes longer than all that it validates."""
    return TypeAdapter(Config)


def parse_set(item: str) -> Table:
    """``stream.packet_tokens=8`` -> ``{"stream": {"packet_tokens": 8}}``; the value is TOML, or else a bare word."""
    key, equals, text = item.partition("=")
    table, dot, name = key.strip().partition(".")
    if not (equals and dot and name):
        raise InputError(f"--set {item}: expected table.key=value", "for example --set stream.packet_tokens=8")
    value = toml_value(text)
    # TOML has no null, but a key whose default is "as the checkpoint says" must be resettable.
    if value == "null":
        value = None
    return {table: {name: value}}


def _merge(merged: Table, layer: Table, source: str) -> None:
    """Put ``layer`` over ``merged`` and validate at once, so that an error can name the layer it came from."""
    for table, values in layer.items():
        if table not in merged:
            raise InputError(f"{source}: unknown table '{table}'", _nearest_table(table))
        if not isinstance(values, dict):
            raise InputError(f"{source}: '{table}' is a table of keys, got {values!r}", f"write {table}.<key> = …")
        for key, value in values.items():
            if key not in merged[table]:
                raise InputError(f"{source}: unknown key '{table}.{key}'", _nearest_key(table, key))
            merged[table][key] = value
    try:
        _validated(merged)
    except ValidationError as error:
        raise input_error(source, error, depth=2) from error


def _nearest_table(table: str) -> str:
    known = [f.name for f in fields(Config)]
    close = difflib.get_close_matches(table, known, n=1)
    return f"did you mean '{close[0]}'?" if close else "known tables: " + ", ".join(known)


def _nearest_key(table: str, key: str) -> str:
    """The closest key of the same table, or else the same or a close key of another table."""
    tables = Config().to_dict()
    close = difflib.get_close_matches(key, list(tables[table]), n=1)
    if close:
        return f"did you mean '{table}.{close[0]}'?"
    everywhere = {name: other for other, keys in tables.items() for name in keys}
    close = difflib.get_close_matches(key, list(everywhere), n=1)
    if close:
        return f"did you mean '{everywhere[close[0]]}.{close[0]}'?"
    return f"known keys of '{table}': " + ", ".join(tables[table])
