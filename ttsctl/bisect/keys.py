"""The keys in which two configurations differ, and configurations between the two."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from ttsctl.core.config import Config


@dataclass(frozen=True)
class Toggle:
    """One key, such as ``stream.packet_tokens``, with A's value and B's."""

    key: str
    a: Any
    b: Any


def differing(a: Config, b: Config) -> tuple[Toggle, ...]:
    """Every key in which A and B differ, in the order of the configuration."""
    left, right = a.to_dict(), b.to_dict()
    return tuple(
        Toggle(f"{table}.{key}", value, right[table][key])
        for table, keys in left.items()
        for key, value in keys.items()
        if value != right[table][key]
    )


def between(a: Config, b: Config, keys: Collection[str]) -> Config:
    """A, with B's values of ``keys``. KeyError for a key that is none."""
    tables: dict[str, Any] = {}
    for key in keys:
        table, _, name = key.partition(".")
        if name not in b.to_dict().get(table, {}):
            raise KeyError(key)
        tables[table] = replace(tables.get(table, getattr(a, table)), **{name: getattr(getattr(b, table), name)})
    return replace(a, **tables)
